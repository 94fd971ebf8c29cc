/* Where scripts may go: lists of hosts, and addresses that are refused. */
#include "js/web/net_policy.h"

#include <arpa/inet.h>

#include "harness.h"

static const struct {
    const char *entry, *host;
    uint16_t port;
    bool standard;
    enum net_reach reach;
} hosts[] = {
    {"api.example.com", "api.example.com", 443, true, NET_PUBLIC},
    {"api.example.com", "API.Example.COM", 443, true, NET_PUBLIC},
    {"api.example.com", "api.example.com.", 443, true, NET_PUBLIC},
    {"api.example.com", "api.example.com", 8080, false, NET_REFUSED},
    {"api.example.com:8080", "api.example.com", 8080, false, NET_PUBLIC},
    {"api.example.com:8080", "api.example.com", 443, true, NET_REFUSED},
    {"api.example.com:*", "api.example.com", 1, false, NET_PUBLIC},
    {"api.example.com:99999999999", "api.example.com", 80, true, NET_REFUSED},
    {"api.example.com:80x", "api.example.com", 80, true, NET_REFUSED},
    {"api.example.com", "xapi.example.com", 443, true, NET_REFUSED},
    {"api.example.com", "api.example.com.evil.org", 443, true, NET_REFUSED},
    {"*.example.com", "a.example.com", 443, true, NET_PUBLIC},
    {"*.example.com", "a.b.example.com", 443, true, NET_PUBLIC},
    {"*.example.com", "example.com", 443, true, NET_REFUSED},
    {"*.example.com", ".example.com", 443, true, NET_REFUSED},
    {"*.example.com", "evilexample.com", 443, true, NET_REFUSED},
    {"*", "anything.org", 80, true, NET_PUBLIC}, {"*", "anything.org", 81, false, NET_REFUSED},
    {"*:*", "anything.org", 81, false, NET_PUBLIC},
    {"*", "127.0.0.1", 80, true, NET_PUBLIC}, /* whose address is refused later */
    {"127.0.0.1:8080", "127.0.0.1", 8080, false, NET_ANY},
    {"127.0.0.1:8080", "127.0.0.2", 8080, false, NET_REFUSED},
    {"127.0.0.1", "localhost", 80, true, NET_REFUSED},
    {"[::1]:8080", "[::1]", 8080, false, NET_ANY},
    {"[::1]:8080", "[0:0:0:0:0:0:0:1]", 8080, false, NET_ANY},
    {"[::1]", "[::1]", 8080, false, NET_REFUSED}, {"[::1]", "[::1]", 80, true, NET_ANY},
    {"localhost", "localhost", 80, true, NET_LOCAL},
    {"localhost:*", "localhost", 4000, false, NET_LOCAL},
    {"private:db.internal:9200", "db.internal", 9200, false, NET_ANY},
    {"private:db.internal:9200", "db.internal", 80, true, NET_REFUSED},
    {"private:*.internal", "a.internal", 80, true, NET_ANY}, {"", "x", 80, true, NET_REFUSED},
    {"*", "", 80, true, NET_PUBLIC}, /* such a URL there is not */
};

TEST(an_entry_of_the_list_covers_its_host_and_port_and_no_others)
{
    for (size_t i = 0; i < ANQA_COUNT(hosts); i++) {
        const char *const list[] = {hosts[i].entry, NULL};
        enum net_reach reach =
            net_policy_host(list, anqa_str_of(hosts[i].host), hosts[i].port, hosts[i].standard);
        CHECK(reach == hosts[i].reach, "%s for %s:%u is %d", hosts[i].entry, hosts[i].host,
            hosts[i].port, reach);
    }
}

TEST(without_a_list_nothing_is_reached)
{
    static const char *const none[] = {NULL};

    CHECK_EQ(net_policy_host(NULL, anqa_str_of("example.com"), 443, true), NET_REFUSED);
    CHECK_EQ(net_policy_host(none, anqa_str_of("example.com"), 443, true), NET_REFUSED);
}

TEST(of_several_entries_the_widest_counts)
{
    static const char *const list[] = {"*", "private:a.internal", "b.internal", NULL};

    CHECK_EQ(net_policy_host(list, anqa_str_of("a.internal"), 443, true), NET_ANY);
    CHECK_EQ(net_policy_host(list, anqa_str_of("b.internal"), 443, true), NET_PUBLIC);
}

static const struct {
    const char *address;
    bool is_public, is_local;
} addresses[] = {
    {"93.184.216.34", true, false},
    {"8.8.8.8", true, false},
    {"0.0.0.0", false, false},
    {"10.1.2.3", false, false},
    {"100.64.0.1", false, false},
    {"100.100.100.200", false, false},
    {"100.128.0.1", true, false},
    {"127.0.0.1", false, true},
    {"127.255.255.254", false, true},
    {"169.254.169.254", false, false},
    {"168.63.129.16", false, false},
    {"168.63.129.17", true, false},
    {"172.15.255.255", true, false},
    {"172.16.0.1", false, false},
    {"172.31.255.255", false, false},
    {"172.32.0.1", true, false},
    {"192.0.0.192", false, false},
    {"192.168.1.1", false, false},
    {"198.18.0.1", false, false},
    {"224.0.0.1", false, false},
    {"239.255.255.255", false, false},
    {"240.0.0.1", false, false},
    {"255.255.255.255", false, false},
    {"2606:2800:220:1:248:1893:25c8:1946", true, false},
    {"::", false, false},
    {"::1", false, true},
    {"::ffff:127.0.0.1", false, true},
    {"::ffff:10.0.0.1", false, false},
    {"::ffff:8.8.8.8", true, false},
    {"::127.0.0.1", false, false},
    {"64:ff9b::a9fe:a9fe", false, false},
    {"64:ff9b::808:808", true, false},
    {"64:ff9b:1::1", false, false},
    {"2002:7f00:1::", false, true},
    {"2002:808:808::", true, false},
    {"2001::1", false, false},
    {"2001:db8::1", false, false},
    {"3fff::1", false, false},
    {"fc00::1", false, false},
    {"fd00:ec2::254", false, false},
    {"fe80::1", false, false},
    {"fec0::1", false, false},
    {"ff02::1", false, false},
};

static bool allows(enum net_reach reach, const char *text)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return net_policy_address(reach, (const struct sockaddr *)&v4, sizeof v4);
    CHECK_EQ(inet_pton(AF_INET6, text, &v6.sin6_addr), 1, "%s", text);
    return net_policy_address(reach, (const struct sockaddr *)&v6, sizeof v6);
}

TEST(addresses_that_are_not_for_the_public_are_refused_unless_the_entry_says_so)
{
    for (size_t i = 0; i < ANQA_COUNT(addresses); i++) {
        const char *text = addresses[i].address;
        CHECK_EQ(allows(NET_REFUSED, text), false, "%s", text);
        CHECK_EQ(allows(NET_PUBLIC, text), addresses[i].is_public, "%s", text);
        CHECK_EQ(
            allows(NET_LOCAL, text), addresses[i].is_public || addresses[i].is_local, "%s", text);
        CHECK_EQ(allows(NET_ANY, text), true, "%s", text);
    }
}

TEST(other_kinds_of_addresses_are_refused)
{
    struct sockaddr odd = {.sa_family = AF_UNIX};
    struct sockaddr_in6 half = {.sin6_family = AF_INET6};

    CHECK(!net_policy_address(NET_ANY, &odd, sizeof odd));
    CHECK(!net_policy_address(NET_ANY, (const struct sockaddr *)&half, sizeof half - 1));
}
