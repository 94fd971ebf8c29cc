/* A few JSON values under names, in the event's memory: an object that is being changed. Context: process; never waits. */
#ifndef HTTP_NAMED_H
#define HTTP_NAMED_H

#include <anqa/json.h>

struct named_value {
    struct named_value *next;
    anqa_str name;
    anqa_json value;
};

struct named {
    struct named_value *first; /* in no order */
};

/* Adds the members of an object. They are borrowed; of one name the first counts. */
void named_load(struct named *named, anqa_json object);
/* The value, ANQA_JSON_NULL for none. */
anqa_json named_get(const struct named *named, anqa_str name);
/* Name and value are copied. */
void named_put(struct named *named, anqa_str name, anqa_json value);
/* Whether it was there. */
bool named_delete(struct named *named, anqa_str name);
/* The object. */
anqa_json named_write(const struct named *named);
/* A text as JSON. It has to be UTF-8. */
anqa_json named_text(anqa_str text);
/* A string's text; empty for any other value. */
anqa_str named_str(anqa_json value);

#endif
