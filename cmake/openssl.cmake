# Cryptography and TLS are OpenSSL's. Where it cannot be had, src/http/none has functions that say so.

set(anqa_openssl_default ON)
if(CMAKE_CROSSCOMPILING)
  set(anqa_openssl_default OFF)
endif()
option(ANQA_OPENSSL "HTTPS, tokens and what else needs cryptography, over OpenSSL" ${anqa_openssl_default})

set(ANQA_OPENSSL_LIBRARIES "")
if(NOT ANQA_OPENSSL)
  list(FILTER anqa_sources EXCLUDE REGEX "/src/http/(crypto|tls_conn|tls_server|tls_ticket)\\.c$")
  list(APPEND anqa_sources "${PROJECT_SOURCE_DIR}/src/http/none/crypto.c" "${PROJECT_SOURCE_DIR}/src/http/none/tls.c")
  if(ANQA_JS)
    list(FILTER anqa_sources EXCLUDE REGEX "/src/js/(password|web/subtle|web/subtle_key)\\.c$")
    list(APPEND anqa_sources "${PROJECT_SOURCE_DIR}/src/js/web/none/subtle.c")
  endif()
  return()
endif()

find_package(OpenSSL 3.0 COMPONENTS Crypto SSL)
if(NOT OPENSSL_FOUND)
  message(FATAL_ERROR "OpenSSL is missing: run ./dev setup (or apt-get install libssl-dev), or build without it: -DANQA_OPENSSL=OFF")
endif()
set(ANQA_OPENSSL_LIBRARIES OpenSSL::SSL OpenSSL::Crypto)
