/* A browser as far as cookies go: it keeps one, and sends it along. */
#ifndef TEST_HTTP_VISITOR_H
#define TEST_HTTP_VISITOR_H

/* Zeroed: a browser that was never here. */
struct visitor {
    char cookies[8192]; /* of the next request */
};

/* A GET of a path; the answer is as that of site_ask. */
const char *visit(struct visitor *visitor, const char *target);
/* A request with a method and a path, further fields (each with CR LF behind it), and a body. */
const char *visit_with(
    struct visitor *visitor, const char *request_line, const char *fields, const char *body);

#endif
