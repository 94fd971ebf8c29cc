/*
 * Processes, messages, servers and supervisors against Erlang/OTP, whose side is bench/peers/runtime_peer.erl: its head
 * says what an operation is. And what has no peer: the floors, and steps that only we can take apart.
 */
#include "runtime/cases.h"

#define BETTER(times) .budget = {BENCH_TIMES_BETTER, (times)}

/* A case in a world, measured in nanoseconds beside the peer's of the same kind. */
#define IN_WORLD(case_name, peer_name, on, set_up, step)                                           \
    .name = (case_name), .unit = "ns", .peer = (peer_name), .schedulers = (on), .setup = (set_up), \
    .run = (step), .teardown = world_close

#define ON_BOTH (BENCH_ON_1 | BENCH_ON_2)

const struct bench_area bench_area = {
    .name = "runtime",
    .cases =
        (const struct bench_case[]){
            {IN_WORLD("spawn_exit", "spawn_exit", ON_BOTH, setup_spawn_exit, world_drive),
                BETTER(8)},
            {IN_WORLD("spawn_exit_chain", "spawn_exit_chain", ON_BOTH, setup_spawn_exit_chain,
                run_spawn_exit_chain)},
            {.name = "memory",
                .unit = "bytes",
                BETTER(10),
                .peer = "memory",
                .schedulers = BENCH_ON_1,
                .fresh = true,
                .setup = setup_memory,
                .measure = measure_memory,
                .teardown = world_close},
            {.name = "memory_server",
                .unit = "bytes",
                .budget = {BENCH_AT_MOST, 400},
                .schedulers = BENCH_ON_1,
                .fresh = true,
                .setup = setup_memory_server,
                .measure = measure_memory_server,
                .teardown = world_close},

            {IN_WORLD("hop_same", "hop_same", ON_BOTH, setup_hop_same, run_hop), BETTER(5)},
            {IN_WORLD("hop_receive", "hop_same", ON_BOTH, setup_hop_receive, run_hop)},
            {IN_WORLD("hop_cross", "hop_cross", BENCH_ON_2, setup_hop_cross, run_hop), BETTER(5)},
            {IN_WORLD("ring", "ring", ON_BOTH, setup_ring, run_ring), BETTER(5)},
            {IN_WORLD("fan_in", "fan_in", ON_BOTH, setup_fan_in, run_fan_in), BETTER(5)},
            {IN_WORLD(
                 "fan_in_flood", "fan_in_flood", ON_BOTH, setup_fan_in_flood, run_fan_in_flood),
                BETTER(5), .max_ops = 200000},

            {IN_WORLD("call", "call", ON_BOTH, setup_call, world_drive), BETTER(8)},
            {IN_WORLD("start_child", "start_child", ON_BOTH, setup_start_child, world_drive),
                BETTER(12), .max_ops = 20000},
            {IN_WORLD("crash_exit", "crash_exit", ON_BOTH, setup_crash_exit, world_drive),
                BETTER(15), .max_ops = 100000},
            {IN_WORLD("crash_fault", "crash_exit", ON_BOTH, setup_crash_fault, world_drive),
                BETTER(5), .max_ops = 100000},
            {IN_WORLD("crash_unlogged", "crash_unlogged", ON_BOTH, setup_crash_exit_unlogged,
                 world_drive),
                .max_ops = 100000},
            {IN_WORLD("crash_fault_unlogged", "crash_unlogged", ON_BOTH, setup_crash_fault_unlogged,
                 world_drive),
                .max_ops = 100000},

            {IN_WORLD("registry_lookup", "registry_lookup", BENCH_ON_1, setup_registry_lookup,
                 world_drive),
                BETTER(8)},
            {IN_WORLD("whereis", "whereis", BENCH_ON_1, setup_whereis, world_drive)},
            {IN_WORLD("timer", "timer", BENCH_ON_1, setup_timer, world_drive), BETTER(10)},

            {IN_WORLD("yield", NULL, BENCH_ON_1, setup_yield, world_drive)},
            {.name = "stack_round_trip",
                .unit = "ns",
                .setup = setup_stack_round_trip,
                .run = run_stack_round_trip,
                .teardown = teardown_stack_round_trip},
            {.name = "signal_round_trip",
                .unit = "ns",
                .setup = setup_signal_round_trip,
                .run = run_signal_round_trip,
                .teardown = teardown_signal_round_trip},
            {.name = "siphash_key",
                .unit = "ns",
                .setup = setup_siphash_key,
                .run = run_siphash_key},
            {.name = "atomic_exchange", .unit = "ns", .run = run_atomic_exchange},
            {.name = "indirect_call", .unit = "ns", .run = run_indirect_call},
            {.name = "empty_loop", .unit = "ns", .run = run_loop},
            {.name = "unattached_emit", .unit = "ns", .against = "empty_loop", .run = run_emit},
            {0},
        },
};
