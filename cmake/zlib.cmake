# Compression is zlib's. Where it cannot be had, src/http/none has functions that say so.

set(anqa_zlib_default ON)
if(CMAKE_CROSSCOMPILING)
  set(anqa_zlib_default OFF)
endif()
option(ANQA_ZLIB "Compression of answers and of WebSocket messages, over zlib" ${anqa_zlib_default})

set(ANQA_ZLIB_LIBRARIES "")
if(NOT ANQA_ZLIB)
  list(FILTER anqa_sources EXCLUDE REGEX "/src/(http/(gzip|deflate)|js/web/compression)\\.c$")
  list(APPEND anqa_sources "${PROJECT_SOURCE_DIR}/src/http/none/gzip.c" "${PROJECT_SOURCE_DIR}/src/http/none/deflate.c")
  return()
endif()

find_package(ZLIB)
if(NOT ZLIB_FOUND)
  message(FATAL_ERROR "zlib is missing: run ./dev setup (or apt-get install zlib1g-dev), or build without it: -DANQA_ZLIB=OFF")
endif()
set(ANQA_ZLIB_LIBRARIES ZLIB::ZLIB)
# Whether scripts may have streams that compress (src/js/web/modules.h).
set_source_files_properties("${PROJECT_SOURCE_DIR}/src/js/web/web.c" "${PROJECT_SOURCE_DIR}/src/js/web/web.S"
  PROPERTIES COMPILE_DEFINITIONS ANQA_ZLIB)
