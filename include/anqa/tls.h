/**
 * anqa/tls.h - HTTPS: certificates, what is asked of those who come, and new certificates without a restart.
 *
 *     static const anqa_endpoint endpoint = {
 *         .port = 4000,
 *         .https = &(anqa_https){.port = 4001, .certfile = "priv/cert/cert.pem", .keyfile = "priv/cert/key.pem"},
 *         ...
 *     };
 *
 * An endpoint listens for HTTP and for HTTPS at the same time; `no_http` turns the former off. TLS 1.2 and 1.3 are spoken,
 * with forward secrecy and authenticated encryption only (`ciphers` may say otherwise). There is no renegotiation, no
 * compression and no early data. Clients resume sessions by tickets, whose keys are random, change every four hours, live
 * in memory only, and so end with the program: after a restart a client makes one full handshake.
 *
 * Certificates are PEM files. A client that names a host (SNI) is shown the certificate of the first entry of
 * `sni_hosts` that fits, or else the one of `certfile`. anqa_tls_reload reads all files again; connections keep what they
 * began with.
 *
 * What it costs. A handshake's work with the private key is done by the scheduler of the connection: with a key for ECDSA
 * (P-256) a small fraction of a millisecond, with RSA of 2,048 bits about one. An idle connection takes the memory that
 * OpenSSL needs for it (docs/benchmarks.md) beside its own.
 *
 * A client has `handshake_timeout_ms` from the moment it is accepted. Handshakes that fail are telemetry
 * (anqa.http.handshake_failed) and a line of the log at the level debug. Who speaks plain HTTP to a port of HTTPS is told
 * so: 400.
 *
 * A library that was built without OpenSSL refuses to start an endpoint with `https`.
 */
#ifndef ANQA_TLS_H
#define ANQA_TLS_H

#include <anqa/base.h>

ANQA_BEGIN_DECLS

/** The oldest version of TLS that is spoken. */
typedef enum anqa_tls_version {
    ANQA_TLS_DEFAULT, /* 1.2 */
    ANQA_TLS_1_2,
    ANQA_TLS_1_3
} anqa_tls_version;

/** A certificate for some hosts; {0} ends a list of them. */
typedef struct anqa_certificate {
    /* "example.org", or "*.example.org" (one label in place of the '*'); NULL: the names that the certificate has */
    const char *host;
    const char *certfile; /* PEM: the certificate, and behind it those that lead to its root */
    const char *keyfile;  /* PEM, without a password; NULL: it is in certfile */
} anqa_certificate;

/** How an endpoint is reached over TLS. Zero is a sensible default everywhere. */
typedef struct anqa_https {
    uint16_t
        port; /* 0: what HTTPS_PORT in the environment says (there 0 is: any that is free), else 4001 */
    const char *address; /* as the endpoint's; NULL: the same */
    const char *
        certfile; /* shown to who asks for no other; NULL: what TLS_CERTFILE in the environment says */
    const char *keyfile; /* NULL: what TLS_KEYFILE says if that was used, else certfile */
    const anqa_certificate *sni_hosts; /* NULL: none */
    anqa_tls_version min_version;
    const char *ciphers; /* of TLS 1.2, in OpenSSL's words; NULL: ECDHE with AES-GCM or ChaCha20 */
    const char *const *alpn; /* protocols that may be spoken, NULL ends them; NULL: all there are */
    const char *cacertfile;  /* PEM: who may have signed certificates of clients, for verify_peer */
    bool verify_peer;        /* clients are asked for a certificate, and a wrong one refused */
    bool fail_if_no_peer_cert; /* so are clients without one */
    uint32_t
        handshake_timeout_ms; /* from the accept to the end of it; 0: 5,000. Whole seconds count */
    const char *name;         /* of its sockets in a systemd unit; NULL: "https" */
} anqa_https;

/**
 * Reads the certificates and keys of all endpoints of the program again. New connections have the new ones. If any file of an
 * endpoint is wrong, that endpoint keeps all it has, the others go on, and `err` names the first such file.
 * Fails: E_INVALID (a file that is not there, or not what it should be), E_NOMEM, E_LIMIT (the queue for workers is full).
 * Context: process; may wait.
 */
ANQA_API anqa_status anqa_tls_reload(anqa_error *err) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
