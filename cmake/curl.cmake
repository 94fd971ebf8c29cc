# What scripts ask of the network is libcurl's. Where it cannot be had, scripts have no fetch, WebSocket and EventSource.

set(anqa_curl_default ${ANQA_JS})
if(CMAKE_CROSSCOMPILING)
  set(anqa_curl_default OFF)
endif()
option(ANQA_CURL "fetch, WebSocket and EventSource of scripts, over libcurl" ${anqa_curl_default})

set(ANQA_CURL_LIBRARIES "")
if(NOT ANQA_JS OR NOT ANQA_CURL)
  list(FILTER anqa_sources EXCLUDE REGEX "/src/js/web/net[a-z_]*\\.c$")
  set(ANQA_CURL OFF)
  return()
endif()

find_library(ANQA_LIBCURL curl)
find_path(ANQA_CURL_INCLUDE curl/curl.h)
if(NOT ANQA_LIBCURL OR NOT ANQA_CURL_INCLUDE)
  message(FATAL_ERROR "libcurl is missing: run ./dev setup (or apt-get install libcurl4-openssl-dev), or build without it: -DANQA_CURL=OFF")
endif()
set(ANQA_CURL_LIBRARIES curl)
