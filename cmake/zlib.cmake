# Compression is zlib's.
anqa_optional(ZLIB "Compression of answers and of WebSocket messages, over zlib" "/src/http/(gzip|deflate)\\.c$" gzip.c deflate.c)
if(ANQA_ZLIB)
  find_package(ZLIB)
  if(NOT ZLIB_FOUND)
    anqa_missing(ZLIB zlib zlib1g-dev)
  endif()
  set(ANQA_ZLIB_LIBRARIES ZLIB::ZLIB)
endif()
