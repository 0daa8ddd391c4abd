/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the pool starts in place of bpfkeeper-worker: each method is a way to behave. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *reterr)
{
        const char *member = sd_bus_message_get_member(m);

        (void)userdata;
        /* A good answer, which tells who gave it. */
        if (strcmp(member, "Pid") == 0)
                return sd_bus_reply_method_return(m, "usu", 0, "", (uint32_t)getpid());
        if (strcmp(member, "Slow") == 0) {
                usleep(200000);
                return sd_bus_reply_method_return(m, "usu", 0, "", (uint32_t)getpid());
        }
        /* KERN_ERROR_… and words */
        if (strcmp(member, "Refuse") == 0)
                return sd_bus_reply_method_return(m, "usu", 2, "No.", 7);
        if (strcmp(member, "RefuseWildly") == 0)
                return sd_bus_reply_method_return(m, "us", UINT32_MAX, "No.");
        if (strcmp(member, "Nonsense") == 0)
                return sd_bus_reply_method_return(m, "s", "What?");
        if (strcmp(member, "Nothing") == 0)
                return sd_bus_reply_method_return(m, NULL);
        if (strcmp(member, "Error") == 0)
                return sd_bus_error_set(reterr, "x.y", "Thrown");
        if (strcmp(member, "Die") == 0)
                abort();
        if (strcmp(member, "Exit") == 0)
                _exit(0);
        if (strcmp(member, "Hang") == 0)
                for (;;)
                        pause();
        return 0;
}

int main(void)
{
        sd_id128_t id;
        sd_bus *bus;

        if (sd_id128_randomize(&id) < 0 || sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, 3, 3) < 0 ||
            sd_bus_set_server(bus, 1, id) < 0 || sd_bus_set_anonymous(bus, 1) < 0 ||
            sd_bus_negotiate_fds(bus, 1) < 0 ||
            sd_bus_add_object(bus, NULL, "/org/bpfkeeper1/worker", on_call, NULL) < 0 ||
            sd_bus_start(bus) < 0)
                return EXIT_FAILURE;
        for (;;) {
                int r = sd_bus_process(bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0)
                        _exit(EXIT_SUCCESS);
        }
}
