# HTTP/2 is framed by nghttp2. Where it cannot be had, src/http/none has functions that nobody calls.

set(anqa_http2_default ON)
if(CMAKE_CROSSCOMPILING)
  set(anqa_http2_default OFF)
endif()
option(ANQA_HTTP2 "HTTP/2, over nghttp2" ${anqa_http2_default})

set(ANQA_HTTP2_LIBRARIES "")
if(NOT ANQA_HTTP2)
  list(FILTER anqa_sources EXCLUDE REGEX "/src/http/h2[a-z0-9_]*\\.c$")
  list(APPEND anqa_sources "${PROJECT_SOURCE_DIR}/src/http/none/h2.c")
  return()
endif()

find_library(ANQA_NGHTTP2 nghttp2)
find_path(ANQA_NGHTTP2_INCLUDE nghttp2/nghttp2.h)
if(NOT ANQA_NGHTTP2 OR NOT ANQA_NGHTTP2_INCLUDE)
  message(FATAL_ERROR "nghttp2 is missing: run ./dev setup (or apt-get install libnghttp2-dev), or build without it: -DANQA_HTTP2=OFF")
endif()
set(ANQA_HTTP2_LIBRARIES nghttp2)
