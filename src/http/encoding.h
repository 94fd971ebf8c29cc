/*
 * The field Accept-Encoding of a request (RFC 9110, 12.5.3): in which codings a client takes a content.
 *
 * A request without the field is sent what it was always sent: the content as it is. That is sent too where a client takes nothing
 * that there is, as the RFC advises. Of codings that a client likes as much as another the one that is smaller as a rule is chosen.
 * An element that is malformed counts as not there.
 *
 * Any thread; never waits; allocates nothing.
 */
#ifndef HTTP_ENCODING_H
#define HTTP_ENCODING_H

#include "http/request.h" /* IWYU pragma: export */

/* In the order in which they are preferred. */
enum encoding { ENCODING_BR, ENCODING_GZIP, ENCODING_IDENTITY };
#define ENCODING_COUNT 3

/* What a client takes: 0 (not at all) to 1,000 for each. */
struct encoding_taste {
    uint16_t quality[ENCODING_COUNT];
};

/* The name in Content-Encoding, and the ending of a file; NULL for ENCODING_IDENTITY. Static. */
const char *encoding_name(enum encoding encoding);
const char *encoding_ending(enum encoding encoding);

/* Reads all fields Accept-Encoding of a request. */
struct encoding_taste encoding_taste_of(const struct request *request);

/*
 * The one of a set that the client likes best, ENCODING_IDENTITY if that is it, or nothing else.
 * have: bits 1 << encoding of those that there are.
 */
enum encoding encoding_choose(const struct encoding_taste *taste, unsigned have);

#endif
