# Cryptography and TLS are OpenSSL's.
anqa_optional(OPENSSL "HTTPS, tokens and what else needs cryptography, over OpenSSL"
  "/src/http/(crypto|tls_conn|tls_server|tls_ticket)\\.c$" crypto.c tls.c)
if(ANQA_OPENSSL)
  find_package(OpenSSL 3.0 COMPONENTS Crypto SSL)
  if(NOT OPENSSL_FOUND)
    anqa_missing(OPENSSL OpenSSL libssl-dev)
  endif()
  set(ANQA_OPENSSL_LIBRARIES OpenSSL::SSL OpenSSL::Crypto)
elseif(ANQA_JS)
  list(FILTER anqa_sources EXCLUDE REGEX "/src/js/web/subtle(_key)?\\.c$")
  list(APPEND anqa_sources "${PROJECT_SOURCE_DIR}/src/js/web/none/subtle.c")
endif()
