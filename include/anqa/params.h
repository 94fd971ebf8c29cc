/**
 * anqa/params.h - what a client has filled in: the parameters of the query, of the body, and of the path.
 *
 *     .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {.call = greet}, {0}}
 *
 *     static void greet(anqa_conn *conn, const void *opts)
 *     {
 *         anqa_str name = anqa_json_str(anqa_conn_params(conn), "name"); // ?name=Ada, a form, or {"name": "Ada"}
 *         ...
 *
 * Parameters are one JSON object. `user[name]=a&user[tags][]=x&user[tags][]=y` is {"user": {"name": "a", "tags": ["x",
 * "y"]}}, as in Plug: of two values of one name the last counts, also where the two do not fit together (`a=1&a[b]=2`); a
 * name without a value has "". All values of queries and forms are strings. JSON that is not an object is the value of
 * "_json".
 *
 * The plug anqa_parsers reads the body of a request that has one: forms (application/x-www-form-urlencoded and
 * multipart/form-data) and JSON (application/json, and what ends in "+json"). Files of forms go to the disk as they come,
 * and not through memory; among the parameters stands what the client says of them, {"filename", "content_type", "size"}.
 *
 * What it can not read it answers for, and halts: 400 malformed, not UTF-8, deeper than 32 names or more than 1,000 pairs;
 * 408 too slow; 413 too long; 414 a query of more than 1,000,000 bytes; 415 a type that nobody has asked to pass, or a body that is compressed
 * (Content-Encoding): what it would become is not bounded by what came; 500 a
 * file could not be written.
 *
 * Threads. Of a conn: its process. Parameters live as long as the request.
 */
#ifndef ANQA_PARAMS_H
#define ANQA_PARAMS_H

#include <anqa/conn.h>

ANQA_BEGIN_DECLS

/** A file that came in a form. It has no name in the file system, and ends with the request unless it is saved. */
typedef struct anqa_upload {
    anqa_str name;         /* of its field, whole: "user[photo]" */
    anqa_str filename;     /* as the client says, the last segment only; nothing to trust */
    anqa_str content_type; /* as the client says; may be empty; likewise */
    uint64_t size;
    int fd; /* to be read, from its beginning; the library closes it */
} anqa_upload;

/** What anqa_parsers takes. Zero is a sensible default everywhere; a plug without options has all zero. */
typedef struct anqa_parsers_opts {
    /* bytes of a body: these count also where the endpoint's limit is lower, so that one pipeline can take more */
    size_t form_length; /* of a form; 0: 1,000,000, and no more than the endpoint takes */
    size_t json_length; /* of JSON; 0: 8,000,000, likewise */
    /* types that are left unread for others: "text/plain", "text" followed by "/" and "*" for all its kinds, or the same with
     * "*" in front for all; NULL ends them */
    const char *const *pass;
    size_t multipart_length; /* of a form in parts, with all in it; 0: 8,000,000, likewise */
    size_t file_length;      /* of one file; 0: as many */
    size_t field_length;     /* of one value that is no file; 0: 1,000,000 */
    uint32_t max_parts;      /* 0: 1,000, which is also the most; more: 400 */
    uint32_t max_files;      /* each of which is an open file; 0: 20; more: 413 */
    const char *upload_dir; /* where files are kept; NULL: TMPDIR in the environment, else "/tmp" */
    uint32_t read_timeout_ms; /* as that of anqa_body_opts */
} anqa_parsers_opts;

/** The plug that reads bodies. opts: an anqa_parsers_opts, or NULL.   Context: process of the connection; may wait. */
ANQA_API void anqa_parsers(anqa_conn *conn, const void *opts);

/** Those of the query; of one that can not be read there are none, if no anqa_parsers has refused it. */
ANQA_API anqa_json anqa_conn_query_params(anqa_conn *conn);
/** Those of the body, as far as anqa_parsers has read it; else there are none. */
ANQA_API anqa_json anqa_conn_body_params(anqa_conn *conn);
/** Those that a router has found in the path, see anqa_conn_path_param. */
ANQA_API anqa_json anqa_conn_path_params(anqa_conn *conn);
/** All. Of one name in several of them that of the path counts, else that of the body. */
ANQA_API anqa_json anqa_conn_params(anqa_conn *conn);

/** The file of the field of that name, the last one if there are several; NULL: there is none. */
ANQA_API const anqa_upload *anqa_conn_upload(anqa_conn *conn, const char *name);

/**
 * Gives the file a name, where there must be none yet: it outlives the request then.
 * Fails: E_EXISTS, E_NOT_FOUND (the folder), E_PERMISSION, E_IO, E_NOMEM, E_LIMIT.   Context: process; may wait.
 */
ANQA_API anqa_status anqa_upload_save(
    const anqa_upload *upload, const char *path, anqa_error *err) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
