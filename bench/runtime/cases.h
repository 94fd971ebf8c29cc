/**
 * bench/runtime/cases.h - the steps of each case, for the table in runtime_bench.c.
 *
 * What one operation is stands at the head of the peer, bench/peers/runtime_peer.erl. Where nothing else is named, `run`
 * is world_drive and `teardown` world_close.
 */
#ifndef BENCH_RUNTIME_CASES_H
#define BENCH_RUNTIME_CASES_H

#include "world.h" // IWYU pragma: export

/* spawn.c */
bool setup_spawn_exit(struct bench *b);
bool setup_spawn_exit_chain(struct bench *b);
void run_spawn_exit_chain(struct bench *b, uint64_t ops);
bool setup_memory(struct bench *b);
double measure_memory(struct bench *b);
bool setup_memory_server(struct bench *b);
double measure_memory_server(struct bench *b);

/* hop.c */
bool setup_hop_same(struct bench *b);
bool setup_hop_cross(struct bench *b);
bool setup_hop_receive(struct bench *b);
void run_hop(struct bench *b, uint64_t ops);
bool setup_ring(struct bench *b);
void run_ring(struct bench *b, uint64_t ops);
bool setup_fan_in(struct bench *b);
void run_fan_in(struct bench *b, uint64_t ops);
bool setup_fan_in_flood(struct bench *b);
void run_fan_in_flood(struct bench *b, uint64_t ops);

/* server.c */
bool setup_call(struct bench *b);
bool setup_start_child(struct bench *b);
bool setup_crash_exit(struct bench *b);
bool setup_crash_fault(struct bench *b);
bool setup_crash_exit_unlogged(struct bench *b);
bool setup_crash_fault_unlogged(struct bench *b);

/* names.c */
bool setup_registry_lookup(struct bench *b);
bool setup_whereis(struct bench *b);
bool setup_registry_register(struct bench *b);
bool setup_registry_register_apart(struct bench *b);
void run_registry_register(struct bench *b, uint64_t ops);
bool setup_siphash_key(struct bench *b);
void run_siphash_key(struct bench *b, uint64_t ops);

/* tables.c */
bool setup_table_lookup(struct bench *b);
bool setup_table_lookup_ordered(struct bench *b);
bool setup_table_insert(struct bench *b);
bool setup_table_insert_delete(struct bench *b);
bool setup_table_counter(struct bench *b);
bool setup_table_next(struct bench *b);
bool setup_table_both(struct bench *b);
void run_table_both(struct bench *b, uint64_t ops);

/* steps.c */
bool setup_timer(struct bench *b);
bool setup_yield(struct bench *b);
void run_loop(struct bench *b, uint64_t ops);
void run_emit(struct bench *b, uint64_t ops);
void run_indirect_call(struct bench *b, uint64_t ops);
void run_atomic_exchange(struct bench *b, uint64_t ops);
bool setup_stack_round_trip(struct bench *b);
void run_stack_round_trip(struct bench *b, uint64_t ops);
void teardown_stack_round_trip(struct bench *b);
bool setup_signal_round_trip(struct bench *b);
void run_signal_round_trip(struct bench *b, uint64_t ops);
void teardown_signal_round_trip(struct bench *b);

#endif
