# Cryptography and TLS are OpenSSL's.
anqa_optional(OPENSSL "HTTPS, tokens and what else needs cryptography, over OpenSSL"
  "/src/http/(crypto|tls_conn|tls_server|tls_ticket)\\.c$" crypto.c tls.c)
if(ANQA_OPENSSL)
  find_package(OpenSSL 3.0 COMPONENTS Crypto SSL)
  if(NOT OPENSSL_FOUND)
    anqa_missing(OPENSSL OpenSSL libssl-dev)
  endif()
  set(ANQA_OPENSSL_LIBRARIES OpenSSL::SSL OpenSSL::Crypto)
endif()
