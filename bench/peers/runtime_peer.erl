%% The Erlang side of `./dev bench runtime`.
%%
%% A peer is a program that, given `--case NAME --schedulers N --rounds R [--quick]`, sets its case up and warms it up,
%% prints "ready", and then answers each line "go" on stdin with one figure on a line: nanoseconds for one operation,
%% or bytes. It never measures unasked, so that the other side can be measured while this one sleeps on stdin.
%%
%% What one operation is. The other side does the same, step for step:
%%
%%   spawn_exit        A parent starts a hundred processes that end at once, monitored, and waits until it has heard
%%                     of the end of all of them; and so on. An operation is one process.
%%   spawn_exit_chain  One chain per scheduler: each process starts its successor and ends; the last one reports.
%%                     Nobody watches, and each process gets the memory its predecessor has just left: the best case.
%%   memory            Resident bytes of the whole program, the slope between 100,000 and 1,100,000 processes that
%%                     wait in their first receive. Every figure comes from a fresh program.
%%   memory_accounted  The same slope by the virtual machine's own account, erlang:memory(processes).
%%   hop_same          Two processes bound to one scheduler; an operation is one message of a ping-pong.
%%   hop_cross         The same, each bound to a scheduler of its own.
%%   ring              One message goes round 1,000 processes; an operation is one hop.
%%   fan_in            Eight senders, one receiver that answers every 64th message of a sender; that sender waits for
%%                     the answer. An operation is one message received. At most 512 messages wait, as in a system
%%                     that has flow control: this is the cost of the messages themselves.
%%   fan_in_flood      The same without a window: each sender sends its share as fast as it can, the receiver counts
%%                     and sums, and the sample ends when all have come. A sample is 200,000 messages at most, so no
%%                     more can wait. This is what a receiver goes through that nothing shields. Erlang's has the
%%                     option that is meant for it, message_queue_data off_heap, the quicker choice here.
%%   call              gen_server:call with an atom, answered with an atom.
%%   start_child       supervisor:start_child of a simple_one_for_one supervisor, children are gen_servers. Stopping
%%                     them is not timed.
%%   crash_exit        A permanent, locally registered gen_server is sent a message, on which it exits abnormally; the
%%                     operation ends when its successor, started by the supervisor and registered, says so from its
%%                     init. The logger has its default level, as in any system that runs, so reports are made, but
%%                     the handler drops them. A supervisor keeps a list of the restarts of the last second and walks
%%                     it on each restart: a new supervisor every 50 restarts, not timed, keeps that out of the figure.
%%   crash_unlogged    The same with the logger's level at none, so that no report is made.
%%   registry_lookup   What Elixir's Registry does for a unique key that is a string, one of 1,024 of them: look up the
%%                     registry's own row, look up the key in an ets table, ask whether the process is alive.
%%   whereis           whereis of one of 1,024 registered atoms.
%%   table_*           An ets table of 100,000 rows of two integers under integers: look up a row of a set or an ordered_set,
%%                     replace one, put a new one in and take it out, add one to a counter, the next key of an ordered_set
%%                     (ours gives the row as well). table_both: two processes, each on a scheduler of its own, look up rows,
%%                     and one of them replaces one instead on every tenth turn.
%%   timer             erlang:start_timer in a minute, erlang:cancel_timer.
%%
%% A message carries 64 bytes that are read: eight integers in a tuple, made anew for each send (a literal would not be
%% copied), matched and summed by the receiver, and the sum goes into the next message. A tuple, since that is what Erlang
%% programs send, and since it is the quicker choice: matching eight integers out of a 64-byte binary takes longer.
-module(runtime_peer).
-behaviour(gen_server).

-export([main/0, log/2, idle/0, nothing/0, chain/2, ping/4, pong/1, ring_node/2, fan_sender/3, flooder/3, server_up/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(MASK, 16#fffffff).
-define(KEYS, 1024).
-define(ROWS, 100000).
-define(RESTARTS_PER_SUPERVISOR, 50).

%% ---------------------------------------------------------------- protocol

main() ->
    Options = options(init:get_plain_arguments(), #{}),
    set_logger(Options),
    spawn(fun() -> serve(Options) end).

options(["--quick" | Rest], Options) -> options(Rest, Options#{quick => true});
options(["--" ++ Name, Value | Rest], Options) -> options(Rest, Options#{Name => Value});
options([], Options) -> Options.

set_logger(#{"case" := "crash_exit"}) ->
    ok = logger:remove_handler(default),
    ok = logger:add_handler(dropping, ?MODULE, #{});
set_logger(_) ->
    ok = logger:set_primary_config(level, none).

log(_Event, _Config) -> ok.

serve(#{"case" := Name, "schedulers" := Count, "rounds" := Rounds} = Options) ->
    Schedulers = list_to_integer(Count),
    Schedulers = erlang:system_info(schedulers_online),
    Quick = maps:is_key(quick, Options),
    case find(list_to_atom(Name), Schedulers) of
        unknown ->
            io:format(standard_error, "no case ~s~n", [Name]),
            halt(2);
        {measure, Measure} ->
            answer(Measure, list_to_integer(Rounds));
        {run, Limit, Run} ->
            Ops = warm_up(Run, calibrate(Run, 64, Limit, Quick), Quick),
            answer(fun() -> Run(Ops) / Ops end, list_to_integer(Rounds))
    end.

answer(Sample, Rounds) ->
    io:format("ready~n"),
    answer_go(Sample, Rounds).

answer_go(_, 0) ->
    halt(0);
answer_go(Sample, Rounds) ->
    case io:get_line('') of
        "go\n" ->
            io:format("~.3f~n", [float(Sample())]),
            answer_go(Sample, Rounds - 1);
        _ ->
            halt(0)
    end.

sample_ns(true) -> 25000000;
sample_ns(false) -> 75000000.

calibrate(_, Ops, Limit, _) when Ops >= Limit ->
    Limit;
calibrate(Run, Ops, Limit, Quick) ->
    case Run(Ops) of
        Ns when Ns < 5000000 -> calibrate(Run, Ops * 2, Limit, Quick);
        Ns -> min(Limit, max(1, round(Ops * sample_ns(Quick) / Ns)))
    end.

%% Four samples and a third of a second, so that carriers, tables and caches have the size they will keep.
warm_up(Run, Ops, Quick) ->
    warm_up(Run, Ops, erlang:monotonic_time(nanosecond) + 4 * sample_ns(Quick), 4),
    Ops.

warm_up(Run, Ops, Until, Left) ->
    Run(Ops),
    case Left =< 1 andalso erlang:monotonic_time(nanosecond) >= Until of
        true -> ok;
        false -> warm_up(Run, Ops, Until, Left - 1)
    end.

%% Cases run in a process of their own, so that no case works on the heap that an earlier sample left behind.
in_process(Options, Body) ->
    Self = self(),
    {Pid, Monitor} = spawn_opt(fun() -> Self ! {self(), Body()} end, [monitor | Options]),
    receive
        {Pid, Result} ->
            receive {'DOWN', Monitor, process, Pid, _} -> Result end;
        {'DOWN', Monitor, process, Pid, Reason} ->
            exit(Reason)
    end.

timed(Body) ->
    Start = erlang:monotonic_time(nanosecond),
    Body(),
    erlang:monotonic_time(nanosecond) - Start.

%% ---------------------------------------------------------------- cases: {run, most operations in a sample, fun}

find(spawn_exit, _) ->
    {run, 100000000, fun(Ops) -> in_process([], fun() -> timed(fun() -> spawn_hundreds(Ops) end) end) end};
find(spawn_exit_chain, Schedulers) ->
    {run, 100000000, fun(Ops) -> in_process([], fun() -> spawn_chains(Schedulers, Ops) end) end};
find(memory, _) ->
    {measure, fun() -> memory(fun resident/0) end};
find(memory_accounted, _) ->
    {measure, fun() -> memory(fun() -> erlang:memory(processes) end) end};
find(hop_same, _) ->
    {run, 100000000, fun(Ops) -> in_process([{scheduler, 1}], fun() -> ping_pong(1, Ops) end) end};
find(hop_cross, Schedulers) when Schedulers > 1 ->
    {run, 100000000, fun(Ops) -> in_process([{scheduler, 1}], fun() -> ping_pong(2, Ops) end) end};
find(ring, _) ->
    {run, 100000000, fun(Ops) -> in_process([], fun() -> ring(1000, Ops) end) end};
find(fan_in, _) ->
    {run, 100000000, fun(Ops) -> in_process([], fun() -> fan_in(8, Ops) end) end};
find(fan_in_flood, _) ->
    {run, 200000, fun(Ops) -> in_process([], fun() -> fan_in_flood(8, Ops) end) end};
find(call, _) ->
    {ok, Server} = gen_server:start(?MODULE, server, []),
    {run, 100000000, fun(Ops) -> in_process([], fun() -> timed(fun() -> calls(Server, Ops) end) end) end};
find(start_child, _) ->
    {run, 20000, fun(Ops) -> in_process([], fun() -> start_children(Ops) end) end};
find(crash_exit, _) ->
    {run, 100000, fun(Ops) -> in_process([], fun() -> crashes(Ops, 0) end) end};
find(crash_unlogged, Schedulers) ->
    find(crash_exit, Schedulers);
find(registry_lookup, _) ->
    {Registry, Keys} = registry(),
    {run, 100000000, fun(Ops) -> in_process([], fun() -> timed(fun() -> lookups(Registry, Keys, Ops) end) end) end};
find(whereis, _) ->
    Names = names(),
    {run, 100000000, fun(Ops) -> in_process([], fun() -> timed(fun() -> whereis_all(Names, Ops) end) end) end};
find(table_lookup, _) ->
    table_case(set, fun look_up_rows/3);
find(table_lookup_ordered, _) ->
    table_case(ordered_set, fun look_up_rows/3);
find(table_insert, _) ->
    table_case(set, fun replace_rows/3);
find(table_insert_delete, _) ->
    table_case(set, fun insert_and_delete/3);
find(table_counter, _) ->
    table_case(set, fun count_rows/3);
find(table_next, _) ->
    table_case(ordered_set, fun next_rows/3);
find(table_both, _) ->
    Table = table(set),
    {run, 100000000, fun(Ops) -> in_process([], fun() -> timed(fun() -> table_both(Table, Ops div 2) end) end) end};
find(timer, _) ->
    {run, 100000000, fun(Ops) -> in_process([], fun() -> timed(fun() -> timers(Ops) end) end) end};
find(_, _) ->
    unknown.

%% ---------------------------------------------------------------- processes

spawn_hundreds(Left) when Left =< 0 -> ok;
spawn_hundreds(Left) ->
    Monitors = [element(2, spawn_monitor(?MODULE, nothing, [])) || _ <- lists:seq(1, min(100, Left))],
    [receive {'DOWN', Monitor, process, _, _} -> ok end || Monitor <- Monitors],
    spawn_hundreds(Left - 100).

nothing() -> ok.

spawn_chains(Chains, Ops) ->
    timed(fun() ->
        [spawn(?MODULE, chain, [self(), max(1, Ops div Chains)]) || _ <- lists:seq(1, Chains)],
        wait_for(done, Chains)
    end).

chain(Report, 1) -> Report ! done;
chain(Report, Left) -> spawn(?MODULE, chain, [Report, Left - 1]).

wait_for(_, 0) -> ok;
wait_for(What, Count) -> receive What -> wait_for(What, Count - 1) end.

memory(Read) ->
    spawn_idle(100000),
    Before = settled(Read),
    spawn_idle(1000000),
    (settled(Read) - Before) / 1000000.

spawn_idle(0) -> ok;
spawn_idle(Count) ->
    spawn(?MODULE, idle, []),
    spawn_idle(Count - 1).

idle() -> receive stop -> ok end.

%% All of them have run into their receive once nothing waits to run; our own garbage is not what is measured.
settled(Read) ->
    case erlang:statistics(total_run_queue_lengths) of
        0 ->
            erlang:garbage_collect(),
            Read();
        _ ->
            timer:sleep(1),
            settled(Read)
    end.

resident() ->
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = binary:split(Text, <<" ">>, [global]),
    binary_to_integer(Pages) * 4096.

%% ---------------------------------------------------------------- messages

ping_pong(Scheduler, Ops) ->
    Pong = spawn_opt(?MODULE, pong, [self()], [{scheduler, Scheduler}]),
    Ns = timed(fun() -> ping(Pong, Ops div 2, Ops, 0) end),
    Pong ! stop,
    Ns.

ping(_, 0, _, Sum) ->
    Sum;
ping(Pong, Left, Seed, Sum) ->
    Pong ! {m, Left, Seed, 3, 4, 5, 6, 7, Sum band ?MASK},
    receive
        {m, A, B, C, D, E, F, G, H} -> ping(Pong, Left - 1, Seed, A + B + C + D + E + F + G + H)
    end.

pong(Ping) ->
    receive
        {m, A, B, C, D, E, F, G, H} ->
            Ping ! {m, A, B, C, D, E, F, G, (A + B + C + D + E + F + G + H) band ?MASK},
            pong(Ping);
        stop ->
            ok
    end.

ring(Size, Ops) ->
    Self = self(),
    Last = spawn(fun() -> receive {next, First} -> ring_node(First, Self) end end),
    First = lists:foldl(fun(_, Next) -> spawn(?MODULE, ring_node, [Next, Self]) end, Last, lists:seq(2, Size)),
    Last ! {next, First},
    Ns = timed(fun() ->
        First ! {m, Ops, 2, 3, 4, 5, 6, 7, 8},
        wait_for(done, 1)
    end),
    First ! stop,
    wait_for(stopped, Size),
    Ns.

ring_node(Next, Report) ->
    receive
        {m, 0, _, _, _, _, _, _, _} ->
            Report ! done,
            ring_node(Next, Report);
        {m, A, B, C, D, E, F, G, H} ->
            Next ! {m, A - 1, B, C, D, E, F, G, (A + B + C + D + E + F + G + H) band ?MASK},
            ring_node(Next, Report);
        stop ->
            Next ! stop,
            Report ! stopped
    end.

fan_in(Senders, Ops) ->
    Windows = max(1, Ops div (Senders * 64)),
    [spawn(?MODULE, fan_sender, [self(), Windows, I]) || I <- lists:seq(1, Senders)],
    Total = Windows * 64 * Senders,
    Ns = timed(fun() -> fan_receive(Total, 0) end),
    Ns * Ops div Total.

fan_receive(0, Sum) ->
    Sum;
fan_receive(Left, Sum) ->
    receive
        {m, A, B, C, D, E, F, G, H} ->
            fan_receive(Left - 1, (Sum + A + B + C + D + E + F + G + H) band ?MASK);
        {m, Sender, A, B, C, D, E, F, G, H} ->
            Sender ! go_on,
            fan_receive(Left - 1, (Sum + A + B + C + D + E + F + G + H) band ?MASK)
    end.

fan_sender(_, 0, _) ->
    ok;
fan_sender(Receiver, Windows, Seed) ->
    fan_window(Receiver, 63, Seed),
    Receiver ! {m, self(), 1, Seed, 3, 4, 5, 6, 7, Windows},
    receive go_on -> fan_sender(Receiver, Windows - 1, Seed) end.

fan_window(_, 0, _) ->
    ok;
fan_window(Receiver, Left, Seed) ->
    Receiver ! {m, Left, Seed, 3, 4, 5, 6, 7, 8},
    fan_window(Receiver, Left - 1, Seed).

%% Erlang pre-empts a sender by itself: nothing has to be cut into bursts.
fan_in_flood(Senders, Ops) ->
    process_flag(message_queue_data, off_heap),
    Share = max(1, Ops div Senders),
    Flooders = [spawn(?MODULE, flooder, [self(), Share, I]) || I <- lists:seq(1, Senders)],
    Total = Share * Senders,
    Ns = timed(fun() ->
        [Flooder ! go || Flooder <- Flooders],
        flood_receive(Total, 0)
    end),
    Ns * Ops div Total.

flood_receive(0, Sum) ->
    Sum;
flood_receive(Left, Sum) ->
    receive
        {m, A, B, C, D, E, F, G, H} ->
            flood_receive(Left - 1, (Sum + A + B + C + D + E + F + G + H) band ?MASK)
    end.

flooder(Receiver, Share, Seed) ->
    receive go -> fan_window(Receiver, Share, Seed) end.

%% ---------------------------------------------------------------- behaviours

calls(_, 0) -> ok;
calls(Server, Left) ->
    pong = gen_server:call(Server, ping),
    calls(Server, Left - 1).

start_children(Ops) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, dynamic_supervisor),
    Ns = timed(fun() -> start_each(Supervisor, Ops) end),
    stop_supervisor(Supervisor),
    Ns.

start_each(_, 0) -> ok;
start_each(Supervisor, Left) ->
    {ok, _} = supervisor:start_child(Supervisor, []),
    start_each(Supervisor, Left - 1).

crashes(Left, Ns) when Left =< 0 ->
    Ns;
crashes(Left, Ns) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, {crash_supervisor, self()}),
    First = receive {up, Pid} -> Pid end,
    Restarts = min(Left, ?RESTARTS_PER_SUPERVISOR),
    Took = timed(fun() -> crash_each(First, Restarts) end),
    stop_supervisor(Supervisor),
    crashes(Left - Restarts, Ns + Took).

crash_each(_, 0) -> ok;
crash_each(Server, Left) ->
    Server ! crash,
    receive {up, Next} -> crash_each(Next, Left - 1) end.

stop_supervisor(Supervisor) ->
    Monitor = monitor(process, Supervisor),
    unlink(Supervisor),
    exit(Supervisor, shutdown),
    receive {'DOWN', Monitor, process, Supervisor, _} -> ok end.

%% init/1 is shared by the supervisors and the servers: one module is all that has to be compiled.
init(dynamic_supervisor) ->
    Child = #{id => server, start => {gen_server, start_link, [?MODULE, server, []]}, restart => temporary},
    {ok, {#{strategy => simple_one_for_one}, [Child]}};
init({crash_supervisor, Report}) ->
    Child = #{id => server, start => {?MODULE, server_up, [Report]}},
    {ok, {#{strategy => one_for_one, intensity => 1000, period => 1}, [Child]}};
init({server, Report}) ->
    Report ! {up, self()},
    {ok, Report};
init(server) ->
    {ok, 0}.

server_up(Report) ->
    gen_server:start_link({local, crashing_server}, ?MODULE, {server, Report}, []).

handle_call(ping, _From, State) -> {reply, pong, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info(crash, _State) -> exit(crash).

%% ---------------------------------------------------------------- registry, timers

%% Indices are walked with a stride, so that neighbours in the table are not asked for one after the other.
step(Index) -> (Index + 389) band (?KEYS - 1).

registry() ->
    Keys = list_to_tuple([iolist_to_binary(["room:", integer_to_list(I)]) || I <- lists:seq(1, ?KEYS)]),
    Table = ets:new(keys, [set, public, {read_concurrency, true}]),
    ets:new(registry, [set, public, named_table, {read_concurrency, true}]),
    ets:insert(registry, {-2, {unique, 1, Table}}),
    [ets:insert(Table, {Key, {spawn(?MODULE, idle, []), nil}}) || Key <- tuple_to_list(Keys)],
    {registry, Keys}.

lookups(Registry, Keys, Ops) -> lookups(Registry, Keys, Ops, 0).

lookups(_, _, 0, _) -> ok;
lookups(Registry, Keys, Left, Index) ->
    {unique, 1, Table} = ets:lookup_element(Registry, -2, 2),
    {Pid, nil} = ets:lookup_element(Table, element(Index + 1, Keys), 2),
    true = is_process_alive(Pid),
    lookups(Registry, Keys, Left - 1, step(Index)).

names() ->
    Names = [list_to_atom("room_" ++ integer_to_list(I)) || I <- lists:seq(1, ?KEYS)],
    [register(Name, spawn(?MODULE, idle, [])) || Name <- Names],
    list_to_tuple(Names).

whereis_all(Names, Ops) -> whereis_all(Names, Ops, 0).

whereis_all(_, 0, _) -> ok;
whereis_all(Names, Left, Index) ->
    true = is_pid(whereis(element(Index + 1, Names))),
    whereis_all(Names, Left - 1, step(Index)).

table(Type) ->
    Table = ets:new(pairs, [Type, public, {read_concurrency, true}, {write_concurrency, auto}]),
    [true = ets:insert(Table, {Key, Key, 0}) || Key <- lists:seq(0, ?ROWS - 1)],
    Table.

table_case(Type, Work) ->
    Table = table(Type),
    {run, 100000000, fun(Ops) -> in_process([], fun() -> timed(fun() -> Work(Table, Ops, 0) end) end) end}.

row_step(Key) -> (Key + 38911) rem ?ROWS.

look_up_rows(_, 0, _) -> ok;
look_up_rows(Table, Left, Key) ->
    [{_, _, _}] = ets:lookup(Table, Key),
    look_up_rows(Table, Left - 1, row_step(Key)).

replace_rows(_, 0, _) -> ok;
replace_rows(Table, Left, Key) ->
    true = ets:insert(Table, {Key, Key, Left}),
    replace_rows(Table, Left - 1, row_step(Key)).

insert_and_delete(_, 0, _) -> ok;
insert_and_delete(Table, Left, Key) ->
    true = ets:insert(Table, {?ROWS + Key, Key, 0}),
    true = ets:delete(Table, ?ROWS + Key),
    insert_and_delete(Table, Left - 1, row_step(Key)).

count_rows(_, 0, _) -> ok;
count_rows(Table, Left, Key) ->
    _ = ets:update_counter(Table, Key, {3, 1}),
    count_rows(Table, Left - 1, row_step(Key)).

next_rows(_, 0, _) -> ok;
next_rows(Table, Left, Key) ->
    case ets:next(Table, Key) of
        '$end_of_table' -> next_rows(Table, Left - 1, -1);
        Next -> next_rows(Table, Left - 1, Next)
    end.

table_both(Table, Ops) ->
    Sides = [spawn_opt(fun() -> table_side(Table, Ops, Writes, Key) end, [monitor, {scheduler, Scheduler}])
             || {Scheduler, Writes, Key} <- [{1, false, 0}, {2, true, ?ROWS div 2}]],
    [receive {'DOWN', Monitor, process, Pid, normal} -> ok end || {Pid, Monitor} <- Sides].

table_side(_, 0, _, _) -> ok;
table_side(Table, Left, true, Key) when Left rem 10 =:= 0 ->
    true = ets:insert(Table, {Key, Key, Left}),
    table_side(Table, Left - 1, true, row_step(Key));
table_side(Table, Left, Writes, Key) ->
    [{_, _, _}] = ets:lookup(Table, Key),
    table_side(Table, Left - 1, Writes, row_step(Key)).

timers(0) -> ok;
timers(Left) ->
    _ = erlang:cancel_timer(erlang:start_timer(60000, self(), timeout)),
    timers(Left - 1).
