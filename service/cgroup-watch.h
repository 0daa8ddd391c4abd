/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tells when cgroups go: the kernel takes the programs off, and says so nowhere else. By inotify(7) of the
 * directory above, since for one of its own that goes cgroupfs sends nothing.
 */
typedef struct CgroupWatch CgroupWatch;

/* @gone is called from the main loop, with the path as it was added. NULL where there is no inotify. */
CgroupWatch *cgroup_watch_new(void (*gone)(const char *path, void *userdata), void *userdata);
void cgroup_watch_free(CgroupWatch *watch);

/*
 * From now on, until it was removed as often as it was added. What is no absolute path, the root of
 * the hierarchy, and what can't be watched are not told of; the caller need not know which.
 */
void cgroup_watch_add(CgroupWatch *watch, const char *path);
void cgroup_watch_remove(CgroupWatch *watch, const char *path);
