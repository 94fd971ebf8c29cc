# Compression is zlib's. Without it scripts have no streams that compress (src/js/web/modules.h).
anqa_optional(ZLIB "Compression of answers and of WebSocket messages, over zlib"
  "/src/(http/(gzip|deflate)|js/web/compression)\\.c$" gzip.c deflate.c)
if(ANQA_ZLIB)
  find_package(ZLIB)
  if(NOT ZLIB_FOUND)
    anqa_missing(ZLIB zlib zlib1g-dev)
  endif()
  set(ANQA_ZLIB_LIBRARIES ZLIB::ZLIB)
  set_source_files_properties("${PROJECT_SOURCE_DIR}/src/js/web/web.c" "${PROJECT_SOURCE_DIR}/src/js/web/web.S"
    PROPERTIES COMPILE_DEFINITIONS ANQA_ZLIB)
endif()
