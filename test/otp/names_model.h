/*
 * names_model.h - names, registries and their locks beside a model of them: a list of entries in the order of their age.
 *
 * Each operation is done on both within one activation of the process that does it. In deterministic mode nothing else
 * runs meanwhile, so the model says exactly what the answer must be, whatever is under way: who registers a name finds it
 * taken until its holder's exit hooks have run, and free from then on.
 *
 * The process of the test must be the one that is told of changes: names_open gives it that name.
 */
#ifndef TEST_OTP_NAMES_MODEL_H
#define TEST_OTP_NAMES_MODEL_H

#include <anqa/anqa.h>

/* Few keys, so that processes meet. */
enum { NAMES_KEYS = 4 };

/* Where: names of processes, a registry of unique keys, and one of duplicate keys. */
enum names_table { NAMES_PLAIN, NAMES_UNIQUE, NAMES_DUPLICATE, NAMES_TABLES };

enum names_op { NAMES_REGISTER, NAMES_UNREGISTER, NAMES_UPDATE, NAMES_LOCK, NAMES_OPS };

/* An empty model, for a runtime in which nobody has a name. Context: the test's process. */
void names_open(void);

/* Does it as the calling process, and checks the answer. A lock is held over a wait. */
void names_do(enum names_op op, enum names_table table, unsigned key);

/* Registers what that dead process had when it ended. Whoever heard of its end may: the names are free by then. */
void names_inherit(anqa_pid dead);

/* To be called from an exit hook: what the process had is free. */
void names_dead(anqa_pid pid);

/* Every look-up gives what the model has. Any process. */
void names_check(void);

/* The listener was told of every change since the last time, those of each key in their order. Context: the test's
 * process, while nobody runs. */
void names_check_told(void);

#endif
