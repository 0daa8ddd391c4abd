/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"
#include "devices.h"
#include "link-device.h"

/*
 * What is kept of devices, with pipes for these, which hang up when their peers go, and a socket for what
 * systemd would be told.
 */

#define NUMBER makedev(252, 7)

static char *directory, *socket_path;
static int systemd;   /* what it listens on */
static bool is_there; /* what sysfs says */
static Devices *devices;
static unsigned n_gone, came_for;
static Device *share; /* is given up when the device goes, as a link's is */

int __wrap_descriptor_device(int fd, const char *subsystem, uint64_t *ret_number, char **ret_path);
bool __wrap_descriptor_device_exists(uint64_t number, const char *subsystem);

int __wrap_descriptor_device(int fd, const char *subsystem, uint64_t *ret_number, char **ret_path)
{
        (void)fd;
        assert_string_equal(subsystem, "lirc");
        assert_null(ret_path);
        *ret_number = NUMBER;
        return 0;
}

bool __wrap_descriptor_device_exists(uint64_t number, const char *subsystem)
{
        assert_int_equal(number, NUMBER);
        assert_string_equal(subsystem, "lirc");
        return is_there;
}

static void on_gone(Device *device, void *userdata)
{
        assert_ptr_equal(userdata, &n_gone);
        assert_int_equal(device_number(device), NUMBER);
        assert_int_equal(device_fd(device), -1);
        n_gone++;
        device_unref(share);
        share = NULL;
}

static void on_came(Device *device, uint32_t link_id, void *userdata)
{
        assert_ptr_equal(userdata, &n_gone);
        assert_true(device_fd(device) >= 0);
        came_for = came_for * 10 + link_id;
}

static void begin_with(int first, int n)
{
        static const DevicesCalls calls = {.gone = on_gone, .came = on_came};

        n_gone = came_for = 0;
        devices = devices_new(first, n, &calls, &n_gone);
}

static void begin(void)
{
        begin_with(0, 0);
}

static int set_up(void **state)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        (void)state;
        directory = make_directory();
        socket_path = g_build_filename(directory, "notify", NULL);
        systemd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        g_strlcpy(address.sun_path, socket_path, sizeof(address.sun_path));
        assert_int_equal(bind(systemd, (struct sockaddr *)&address, sizeof(address)), 0);
        setenv("NOTIFY_SOCKET", socket_path, 1);
        setenv("FDSTORE", "1", 1);
        begin();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        devices_free(devices);
        close(systemd);
        unsetenv("NOTIFY_SOCKET");
        unsetenv("FDSTORE");
        remove_tree(directory);
        g_free(directory);
        g_free(socket_path);
        return 0;
}

/* What systemd was told next, "" if nothing more; free with g_free(). Descriptors that came are closed. */
static char *told(unsigned *ret_fds)
{
        char text[256] = "", control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
        struct iovec data = {text, sizeof(text) - 1};
        struct msghdr m = {.msg_iov = &data,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(systemd, &m, MSG_CMSG_CLOEXEC);

        *ret_fds = 0;
        for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL; c; c = CMSG_NXTHDR(&m, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
                        close(fd);
                        ++*ret_fds;
                }
        return g_strdup(n > 0 ? text : "");
}

static void assert_told(const char *text, unsigned n_fds)
{
        unsigned n;
        g_autofree char *found = told(&n);

        assert_string_equal(found, text);
        assert_int_equal(n, n_fds);
}

#define STORE "FDSTORE=1\nFDNAME=device-252-7"
#define REMOVE "FDSTOREREMOVE=1\nFDNAME=device-252-7"

/* A device that is at hand; the other end of it. */
static int bring(Device *device)
{
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(device_bring(device, fds[0]), 0);
        close(fds[0]);
        assert_true(device_fd(device) >= 0);
        return fds[1];
}

static void it_is_there_while_somebody_has_a_share(void **state)
{
        Device *device = devices_get(devices, NUMBER), *again = devices_get(devices, NUMBER);
        int peer;

        (void)state;
        assert_ptr_equal(device, again);
        assert_int_equal(device_fd(device), -1);
        assert_true(devices_survive(devices));
        peer = bring(device);
        assert_told(STORE, 1);
        assert_true(devices_survive(devices));
        /* One that works is enough. */
        close(bring(again));
        assert_told("", 0);
        device_unref(device);
        assert_told("", 0);
        device_unref(again);
        assert_told(REMOVE, 0);
        /* Nobody reads any more. */
        signal(SIGPIPE, SIG_IGN);
        assert_int_equal(write(peer, "x", 1), -1);
        close(peer);
}

static void one_that_goes_is_told(void **state)
{
        Device *device = devices_get(devices, NUMBER);
        int peer = bring(device);

        (void)state;
        assert_told(STORE, 1);
        close(peer);
        while (n_gone == 0)
                g_main_context_iteration(NULL, TRUE);
        assert_told(REMOVE, 0);
        /* Another one with its number */
        peer = bring(device);
        assert_told(STORE, 1);
        /* and one more, before the end of that was noticed */
        close(peer);
        peer = bring(device);
        assert_int_equal(n_gone, 2);
        assert_told(REMOVE, 0);
        assert_told(STORE, 1);
        device_unref(device);
        close(peer);
}

static void its_last_share_may_go_with_it(void **state)
{
        int peer;

        (void)state;
        share = devices_get(devices, NUMBER);
        close(bring(share));
        assert_told(STORE, 1);
        /* Another one with its number, before that is noticed: nobody has a share of it any more. */
        peer = open("/dev/null", O_RDWR | O_CLOEXEC);
        assert_int_equal(device_bring(share, peer), 0);
        close(peer);
        assert_int_equal(n_gone, 1);
        assert_told(REMOVE, 0);
        assert_told(STORE, 1);
        assert_told(REMOVE, 0);
}

static void the_next_service_has_what_is_left(void **state)
{
        Device *device = devices_get(devices, NUMBER);
        int peer = bring(device);

        (void)state;
        assert_told(STORE, 1);
        devices_free(devices);
        device_unref(device);
        assert_told("", 0);
        close(peer);

        /* Where nothing of it is on the bus any more, but may be attached */
        begin();
        device = devices_get(devices, NUMBER);
        peer = bring(device);
        assert_told(STORE, 1);
        device_keep(device, 2);
        device_keep(device, 5);
        device_unref(device);
        assert_told("", 0);
        close(peer);
        assert_int_equal(came_for, 0);
}

static void what_was_left_is_told_when_it_comes(void **state)
{
        Device *device = devices_get(devices, NUMBER);

        (void)state;
        device_keep(device, 2);
        device_keep(device, 5);
        device_unref(device);
        assert_ptr_equal(devices_get(devices, NUMBER), device);
        close(bring(device));
        assert_int_equal(came_for, 25);
        assert_told(STORE, 1);
        /* It is for nobody else any more. */
        device_unref(device);
        assert_told(REMOVE, 0);
}

#define PASSED 100

/* A socket, then a device, as it would be passed; the other end of that. */
static int begin_with_passed(void)
{
        int fds[2], pair[2];

        devices_free(devices);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(dup3(pair[0], PASSED, O_CLOEXEC), PASSED);
        assert_int_equal(dup3(fds[0], PASSED + 1, O_CLOEXEC), PASSED + 1);
        close(fds[0]);
        close(pair[0]);
        close(pair[1]);
        begin_with(PASSED, 2);
        /* That is somebody else's. */
        assert_int_equal(close(PASSED), 0);
        return fds[1];
}

static void what_was_passed_is_for_links(void **state)
{
        int peer = begin_with_passed();
        Device *device = devices_get(devices, NUMBER);

        (void)state;
        assert_int_equal(device_fd(device), PASSED + 1);
        assert_true(devices_survive(devices));
        devices_settle(devices);
        assert_told("", 0);
        device_unref(device);
        assert_told(REMOVE, 0);
        close(peer);

        peer = begin_with_passed();
        devices_settle(devices);
        assert_told(REMOVE, 0);
        close(peer);
}

static void without_a_store_nothing_survives(void **state)
{
        static const char *const stores[] = {NULL, "0", "1"};
        static const bool survives[] = {false, false, true};

        (void)state;
        for (size_t i = 0; i < G_N_ELEMENTS(stores); i++) {
                Device *device;
                int peer;

                devices_free(devices);
                if (stores[i])
                        setenv("FDSTORE", stores[i], 1);
                else
                        unsetenv("FDSTORE");
                begin();
                device = devices_get(devices, NUMBER);
                peer = bring(device);
                assert_told(STORE, 1);
                assert_int_equal(devices_survive(devices), survives[i]);
                device_unref(device);
                assert_told(REMOVE, 0);
                close(peer);
        }
        unsetenv("NOTIFY_SOCKET");
        Device *device = devices_get(devices, NUMBER);
        int peer = bring(device);

        assert_false(devices_survive(devices));
        device_unref(device);
        assert_told("", 0);
        close(peer);
}

static void what_a_link_knows_of_its_device(void **state)
{
        g_autoptr(Link) link = sample_link(2, 1000, 42);
        int peer, fd;

        (void)state;
        assert_false(link_is_on_device(link));
        link->hook.type = kern_type_find("lirc_mode2");
        assert_true(link_is_on_device(link));
        link_set_device(link, devices_get(devices, NUMBER));
        assert_int_equal(link->pub.device_number, NUMBER);
        /* It can't be reached. */
        is_there = true;
        assert_int_equal(link_open_device(link), -EXDEV);
        assert_true(link_device_is_there(link));
        /* It is gone. */
        is_there = false;
        assert_int_equal(link_open_device(link), -ENOENT);
        assert_false(link_device_is_there(link));
        peer = bring(link->device);
        fd = link_open_device(link);
        assert_true(fd >= 0);
        close(fd);
        assert_true(link_device_is_there(link));
        close(peer);
        assert_false(link_device_is_there(link));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(it_is_there_while_somebody_has_a_share),
                TEST(one_that_goes_is_told),
                TEST(its_last_share_may_go_with_it),
                TEST(the_next_service_has_what_is_left),
                TEST(what_was_left_is_told_when_it_comes),
                TEST(what_was_passed_is_for_links),
                TEST(without_a_store_nothing_survives),
                TEST(what_a_link_knows_of_its_device),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
