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

/* ---------------------------------------------------------------- why a budget is missed */

/* Profiles of one scheduler unless it says otherwise; shares are of all samples. Who makes one of these quicker measures
 * again what the note says. */

#define MEMORY_SERVER_NOTE                                                                       \
    "with 400,000 children the table of names and the map of children have just been doubled: "  \
    "157 of the bytes. Tables are three eighths full at most, so that whereis is as quick as "   \
    "Erlang's (row whereis); at five eighths it had 0.76 of its speed. The process is 144, its " \
    "supervisor's record with key and last exit 96, its state, mailbox and links 56"
#define FAN_IN_NOTE                                                                       \
    "Erlang is at its best here, 107 ns where a hop costs it 286, so the budget was 21 "  \
    "ns, and ours 25. Putting a message into the mailbox takes 8 ns of it, most of that " \
    "the compare-and-swap."

#define FAN_IN_FLOOD_NOTE                                                                   \
    "as fan_in, and what waits long is "                                                    \
    "taken out of a large queue: mailbox_unlink and reading the letter are 29 % here, and " \
    "9 % in fan_in. On two schedulers mailbox_unlink, msg_alloc and mailbox_push are 51 to 69 %."

#define START_CHILD_NOTE                                                                 \
    "the budget was 310 ns. A call and its answer alone take 156 (row call), a process " \
    "that is started, watched and ends 103 (row spawn_exit); a start is both, and the "  \
    "child's word to its supervisor. About a quarter is memory that is new to the "      \
    "processor: with 200 children instead of 20,000 a start took 480 ns instead of 650."

#define CRASH_EXIT_NOTE                                                                  \
    "the budget was 530 ns on one scheduler. The profile is flat, no function has 5 %: " \
    "starting the successor 22 % (12 % for its name), the end of the old process 11 %, " \
    "malloc and free 8 %, counting log lines that the limit keeps from being made 4 %."

#define CRASH_FAULT_NOTE                                                                  \
    "a signal's way through the kernel and back alone costs 2.1 us (row "                 \
    "signal_round_trip), more than the whole budget of 1.6; unwinding the frames to see " \
    "that none is foreign takes about 1.5 us, the reason's text 0.3. Unwinding is "       \
    "libgcc's, which reads each frame's tables: a walk of frame pointers would be "       \
    "quicker, and would believe code that keeps none. Erlang has no such crash: its "     \
    "figure is that of an exit."

#define REGISTRY_LOOKUP_NOTE                                                             \
    "the budget was 11.4 ns. Hashing the key takes 7 (row siphash_key), finding the "    \
    "node 9; comparing the key's bytes took 6 of 29, and takes 3 less since short ones " \
    "are compared without a call."

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
                .teardown = world_close,
                .note = MEMORY_SERVER_NOTE},

            {IN_WORLD("hop_same", "hop_same", ON_BOTH, setup_hop_same, run_hop), BETTER(5)},
            {IN_WORLD("hop_receive", "hop_same", ON_BOTH, setup_hop_receive, run_hop)},
            {IN_WORLD("hop_cross", "hop_cross", BENCH_ON_2, setup_hop_cross, run_hop), BETTER(5)},
            {IN_WORLD("ring", "ring", ON_BOTH, setup_ring, run_ring), BETTER(5)},
            {IN_WORLD("fan_in", "fan_in", ON_BOTH, setup_fan_in, run_fan_in), BETTER(5),
                .note = FAN_IN_NOTE},
            {IN_WORLD(
                 "fan_in_flood", "fan_in_flood", ON_BOTH, setup_fan_in_flood, run_fan_in_flood),
                BETTER(5), .max_ops = 200000, .note = FAN_IN_FLOOD_NOTE},

            {IN_WORLD("call", "call", ON_BOTH, setup_call, world_drive), BETTER(8)},
            {IN_WORLD("start_child", "start_child", ON_BOTH, setup_start_child, world_drive),
                BETTER(12), .max_ops = 20000, .note = START_CHILD_NOTE},
            {IN_WORLD("crash_exit", "crash_exit", ON_BOTH, setup_crash_exit, world_drive),
                BETTER(15), .max_ops = 100000, .note = CRASH_EXIT_NOTE},
            {IN_WORLD("crash_fault", "crash_exit", ON_BOTH, setup_crash_fault, world_drive),
                BETTER(5), .max_ops = 100000, .note = CRASH_FAULT_NOTE},
            {IN_WORLD("crash_unlogged", "crash_unlogged", ON_BOTH, setup_crash_exit_unlogged,
                 world_drive),
                .max_ops = 100000},
            {IN_WORLD("crash_fault_unlogged", "crash_unlogged", ON_BOTH, setup_crash_fault_unlogged,
                 world_drive),
                .max_ops = 100000},

            {IN_WORLD("registry_lookup", "registry_lookup", BENCH_ON_1, setup_registry_lookup,
                 world_drive),
                BETTER(8), .note = REGISTRY_LOOKUP_NOTE},
            {IN_WORLD("whereis", "whereis", BENCH_ON_1, setup_whereis, world_drive)},
            {IN_WORLD("registry_register", NULL, ON_BOTH, setup_registry_register,
                 run_registry_register),
                .against = "registry_register_apart"},
            {IN_WORLD("registry_register_apart", NULL, ON_BOTH, setup_registry_register_apart,
                run_registry_register)},
            {IN_WORLD("table_lookup", "table_lookup", BENCH_ON_1, setup_table_lookup, world_drive)},
            {IN_WORLD("table_lookup_ordered", "table_lookup_ordered", BENCH_ON_1,
                setup_table_lookup_ordered, world_drive)},
            {IN_WORLD("table_insert", "table_insert", BENCH_ON_1, setup_table_insert, world_drive)},
            {IN_WORLD("table_insert_delete", "table_insert_delete", BENCH_ON_1,
                setup_table_insert_delete, world_drive)},
            {IN_WORLD(
                "table_counter", "table_counter", BENCH_ON_1, setup_table_counter, world_drive)},
            {IN_WORLD("table_next", "table_next", BENCH_ON_1, setup_table_next, world_drive)},
            {IN_WORLD("table_both", "table_both", BENCH_ON_2, setup_table_both, run_table_both)},
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
