/*
 * HTTP/2 (RFC 9113) on a connection: what the files of http/conn.h ask of it.
 *
 * nghttp2 reads and writes frames and keeps HPACK's tables and the windows; what is decided is decided here. The connection's
 * process (phase CONN_H2) does framing only. Each request is a process of its own on the same scheduler (h2_stream.h), whose
 * code and output are those of any connection: so plugs keep the blocking style, and one that crashes ends its stream.
 *
 *     struct conn (TCP)  <-->  struct h2  -->  struct h2_stream (a struct conn)  -->  ...
 *
 * All of them run on one thread and call each other directly, without locks. struct h2 belongs to the connection's
 * process and ends with it: its streams are told (their `h2` is NULL from then on) and find out when they next read or write.
 * A struct h2_stream lies in the state of its process, whose exit hook takes it out of the connection's list; nghttp2
 * forgets it there.
 *
 * Output. A stream queues what it writes as any connection does; nghttp2 asks for as much of it as both windows allow when
 * the connection has room (h2_pull). Input. What comes is kept with its stream, and the windows are opened again only as it
 * is taken.
 *
 * What a client can make us hold has a bound each: streams (also those that it has reset while they are served), a head, bytes not
 * read yet, the output of all streams, and what nghttp2 itself allocates. Frames that cost us work and the client nothing are
 * counted against time (h2_odd): who sends too many is told ENHANCE_YOUR_CALM.
 *
 * owner: the connection's process; every function here is for its scheduler's thread, none waits.
 */
#ifndef HTTP_H2_H
#define HTTP_H2_H

#include <anqa/base.h>

struct conn;

#define H2_OUTPUT_MAX ((uint32_t)128 << 10) /* of frames that wait for the kernel; ever less */

/* What the first bytes of a connection are: another protocol, a part of the preface, or all of it. */
enum h2_preface { H2_OTHER, H2_PREFACE_PART, H2_PREFACE };

enum h2_preface h2_preface(const char *bytes, size_t len);

/* From now on the connection speaks HTTP/2; what comes begins with the preface. Without memory it is reset. */
void h2_begin(struct conn *conn);
/* Takes all of what has come. Returns `len`. */
size_t h2_take(struct conn *conn, const char *bytes, size_t len);
/* Moves frames into the connection's output, up to a bound. */
void h2_pull(struct conn *conn);
void h2_timeout(struct conn *conn);
/* The client has ended its side of the TCP connection: what it has asked for in full is still answered. */
void h2_input_over(struct conn *conn);
/* Tells the client to go elsewhere with new requests, and ends when those that are here have been answered. Called again and
 * again. */
void h2_leave(struct conn *conn);
/* The connection's process ends: streams are told. */
void h2_gone(struct conn *conn);

#endif
