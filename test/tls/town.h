/*
 * What the tests of this area share: certificates made on the spot, an endpoint that has them, and a client that is
 * OpenSSL's.
 */
#ifndef TEST_TLS_TOWN_H
#define TEST_TLS_TOWN_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "endpoint.h"

/* ---------------------------------------------------------------- certificates */

/* Files in a folder of the test's own, which goes at its end. */
const char *town_file(const char *name);
/* Makes <name>.crt and <name>.key: a key for ECDSA, and a certificate for these names ("a.org,*.b.org") that signs itself.
 * The path of the former, until the test ends. */
const char *town_certificate(const char *name, const char *hosts);
const char *town_key(const char *name);
/* With an RSA key of that many bits. */
void town_rsa_certificate(const char *name, const char *hosts, unsigned bits);
/* One whose time is over. */
void town_expired_certificate(const char *name, const char *hosts);
void town_write(const char *name, const char *text);
void town_copy(const char *from, const char *to);

/* ---------------------------------------------------------------- the server */

/* An endpoint with the certificate "main" for localhost, on free ports, in a runtime of two schedulers. */
void town_begin(const anqa_endpoint *endpoint);
/* The same with an https of the caller's, whose certfile and keyfile are filled in if they are NULL. */
void town_begin_https(const anqa_endpoint *endpoint, const anqa_https *https);
/* The same as it is: its https, if any, is what the environment says. */
void town_begin_plain(const anqa_endpoint *endpoint);
void town_end(void);
uint16_t town_port(void);       /* of https */
uint16_t town_plain_port(void); /* of http */
anqa_pid town_endpoint(void);
/* Handshakes that have failed since town_begin; waits until there are that many, then for how they failed. */
void town_wait_failed(unsigned count);
unsigned town_failed(void);
/* The words of the last one. */
const char *town_failure(void);

/* The connections of this priority now, and waiting for so many of both. */
size_t town_connections(anqa_priority priority);
void town_wait_connections(size_t count);

/* ---------------------------------------------------------------- a client */

struct caller {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
};

/* How it calls; zero is fine. */
struct call {
    const char *sni;  /* NULL: none */
    const char *alpn; /* as on the wire: "\x2h2" */
    int version;      /* TLS1_2_VERSION, ...; 0: any */
    SSL_SESSION *session;
    const char *certificate; /* of the client, one of town_certificate */
    uint16_t port;           /* 0: town_port() */
};

/* Connects, and makes the handshake. False: it was refused; the caller is to be ended all the same. */
bool caller_begin(struct caller *caller, const struct call *call);
/* Connects only. */
void caller_dial(struct caller *caller, const struct call *call);
/* Hangs up: without a word, as somebody whose line is cut. */
void caller_end(struct caller *caller);
/* Says good-bye, and hangs up. */
void caller_leave(struct caller *caller);
void caller_put(struct caller *caller, const char *bytes, size_t len);
void caller_say(struct caller *caller, const char *text);
/* Reads up to `end`, or to the end of what comes. */
size_t caller_get(struct caller *caller, const char *end, char *buf, size_t size);
/* Reads exactly that many bytes. */
bool caller_read(struct caller *caller, char *buf, size_t size);

/* How the server ended what it sent. */
enum ending { ENDED_WELL, ENDED_SHORT /* without close_notify, or by a reset */, NOT_ENDED };
enum ending caller_ending(struct caller *caller);
/* "localhost", of the certificate that was shown; in a static buffer. */
const char *caller_shown(struct caller *caller);
/* A request on a connection of its own; all that came back, in a static buffer. */
const char *caller_ask(const char *request);
const char *caller_fetch(const char *target);

#endif
