/* Sockets as a process sees them: on loopback, against themselves. */
#include "net_fixture.h"

#include <netinet/in.h>
#include <sys/socket.h>

static void check_echo(const char *address)
{
    anqa_rt *rt = rt_open(2);
    char text[ANQA_ADDRESS_TEXT];
    anqa_pid server = echo_server(address, text);

    for (int i = 0; i < 10; i++) {
        echo_once(text);                                              /* a thread */
        CHECK(rt_have(rt_puppet(NULL), echo_once, text), "%s", text); /* a process */
    }
    kill_and_wait(server);
    rt_close(rt);
}

TEST(echo_over_tcp)
{
    check_echo("127.0.0.1:0");
}

TEST(echo_over_ip6)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool have = fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof loopback) == 0;

    if (fd >= 0)
        close(fd);
    if (!have)
        SKIP("this machine has no ::1");
    check_echo("[::1]:0");
}

TEST(echo_over_a_socket_file)
{
    check_echo(in_folder("echo"));
    folder_remove(); /* the listener's file is gone */
}

TEST(echo_over_an_abstract_socket)
{
    char name[64];

    snprintf(name, sizeof name, "unix:@anqa-net-test-%d", (int)getpid());
    check_echo(name);
}

TEST(a_name_is_looked_up)
{
    anqa_rt *rt = rt_open(1);
    char text[ANQA_ADDRESS_TEXT], by_name[64];
    anqa_pid server = echo_server("127.0.0.1:0", text);

    snprintf(by_name, sizeof by_name, "localhost%s", strrchr(text, ':'));
    CHECK(rt_have(rt_puppet(NULL), echo_once, by_name)); /* [::1] may be tried first, and refused */
    echo_once(by_name);
    kill_and_wait(server);
    rt_close(rt);
}

TEST(a_star_listens_on_all_addresses)
{
    anqa_rt *rt = rt_open(1);
    anqa_listener listener = listen_on("*:0"), second;
    anqa_error err;
    char text[64];
    anqa_tcp conn;

    snprintf(text, sizeof text, "127.0.0.1%s", strrchr(address_of(listener), ':'));
    conn = connect_to(text);
    CHECK_STATUS(anqa_close(accept_from(listener)), ANQA_OK);
    must_end(conn);
    snprintf(text, sizeof text, "*%s", strrchr(address_of(listener), ':'));
    CHECK_STATUS(anqa_listen(&(anqa_listen_spec){.address = text}, &second, &err), ANQA_E_IN_USE);
    CHECK(strstr(err.text, text) != NULL, "%s", err.text);
    rt_close(rt);
}
