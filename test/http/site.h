/*
 * What the tests of this area share: an endpoint, requests to it, and looks at what it answers.
 */
#ifndef TEST_HTTP_SITE_H
#define TEST_HTTP_SITE_H

#include <anqa/anqa.h>

#include "harness.h"
#include "http/peer.h"

/* An endpoint in a runtime of its own, with one plug or as it is told. */
void site_begin(void (*plug)(anqa_conn *conn, const void *opts));
void site_begin_endpoint(const anqa_endpoint *endpoint);
void site_end(void);
uint16_t site_port(void);
/* Has the endpoint stop; `run` of a process. */
void site_stop(void *arg);
const char *site_address(void);

/* A connection. */
int site_dial(void);
/* Each on a connection of its own; all that came back, in a static buffer. */
const char *site_ask(const char *request);
const char *site_get(const char *target);
/* A POST to /x; the rest of its head, and its body. */
const char *site_post(const char *fields_and_body);

/* Of an answer: 0 when it is none. */
unsigned status_of(const char *answer);
const char *body_of(const char *answer);
bool has(const char *text, const char *part);
unsigned count(const char *text, const char *part);
bool ends_with(const char *text, const char *end);

#endif
