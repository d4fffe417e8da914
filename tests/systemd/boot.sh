#!/bin/bash
# The way from a test process to a systemd that is process 1 of a machine of its own: private mounts,
# processes, network, host name and control groups, over a layer of memory on top of this machine's
# files. Nothing here touches the machine itself. lab.py calls it; each step runs the next inside.
#
#   boot.sh groups DIR TTY [SOURCE PLACE]...   in a mount namespace of its own: make a control group
#   boot.sh root DIR TTY [SOURCE PLACE]...     process 1 of the new namespaces: build the root, become
#                                              systemd; each SOURCE is seen at PLACE
set -euo pipefail
step=$1 dir=$2 tty=$3
shift 3
seen=("$@")

groups() {
  mkdir "$dir/groups"
  mount -t cgroup2 none "$dir/groups"
  local own=$dir/groups/$(basename "$dir")
  mkdir "$own" "$own/outside" "$own/inside"
  # systemd takes every process in the root of its group's namespace for its own: never start it in
  # the machine's root group.
  echo $$ > "$own/inside/cgroup.procs"
  grep -q '^0::.*/inside$' /proc/self/cgroup
  setpriv --pdeathsig KILL \
    unshare --cgroup --fork --kill-child --pid --mount --uts --ipc --net --propagation private \
    bash "$0" root "$dir" "$tty" "${seen[@]}" &
  # Whoever waits stands outside, where systemd does not find him.
  echo $$ > "$own/outside/cgroup.procs"
  wait $!
}

# A file of the machine's /dev, /proc or /sys at the same place of the new root.
borrow() { touch "$root$1"; mount --bind "$1" "$root$1"; }

root() {
  root=$dir/root
  umount "$dir/groups"
  mkdir "$dir/layer" "$root"
  mount -t tmpfs -o mode=755,size=1g none "$dir/layer"
  mkdir "$dir/layer/new" "$dir/layer/work"
  mount -t overlay -o "lowerdir=/,upperdir=$dir/layer/new,workdir=$dir/layer/work" none "$root"
  mount -t tmpfs -o mode=755,nosuid,nodev none "$root/run"
  mount -t tmpfs -o mode=1777,nosuid,nodev none "$root/tmp"
  mount -t proc -o nosuid,nodev,noexec none "$root/proc"
  # The kernel is the machine's: its knobs are not ours to turn.
  for knob in sys sysrq-trigger irq bus; do
    [ ! -e "$root/proc/$knob" ] || mount --bind -o ro "$root/proc/$knob" "$root/proc/$knob"
  done
  mount -t sysfs -o ro,nosuid,nodev,noexec none "$root/sys"
  mount -t cgroup2 -o nosuid,nodev,noexec none "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755,nosuid,strictatime none "$root/dev"
  for device in null zero full random urandom tty; do borrow /dev/$device; done
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 none "$root/dev/pts"
  mount -t tmpfs -o mode=1777,nosuid,nodev none "$root/dev/shm"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  touch "$root/dev/console"
  mount --bind "$tty" "$root/dev/console"

  # From here, where they are still in sight: wherever they lie, below /tmp or in a mount of its own.
  for ((at = 0; at < ${#seen[@]}; at += 2)); do
    mkdir -p "$root${seen[at + 1]}"
    mount --bind "${seen[at]}" "$root${seen[at + 1]}"
  done

  hostname atlas-lab
  tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"
  # None of what the machine itself would start.
  local units=$root/etc/systemd/system
  rm -rf "$units"/*.wants
  for unit in systemd-journald-audit.socket dev-hugepages.mount sys-fs-fuse-connections.mount \
    getty.target console-getty.service; do ln -sfn /dev/null "$units/$unit"; done
  mkdir -p "$root/etc/systemd/journald.conf.d"
  printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n' > "$root/etc/systemd/journald.conf.d/lab.conf"

  cd "$root"
  mkdir .before
  pivot_root . .before
  umount -l /.before
  rmdir /.before
  # systemd leaves this to whoever starts it in a container; without it credentials come empty.
  mount --make-rshared /
  exec setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio,-syslog,-wake_alarm,-audit_control,-audit_read,-mknod \
    env -i container=atlas-lab PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /lib/systemd/systemd --system --unit=multi-user.target --show-status=0 --log-target=journal
}

"$step"
