# What a shell and its tools see of a kernel, in a few hundred commands.
#
# test_busybox.py runs this on Debian's Linux and on Quire and compares what
# it prints to the letter. So it prints nothing that may differ between two
# correct kernels: no process or inode numbers, no order of a directory, no
# sizes of directories, no time of day; and every race is closed by waiting.

LC_ALL=C
export LC_ALL
umask 022
work=/tmp/script.$$
mkdir "$work" && cd "$work" || exit 1

number=0
section() {
    number=$((number + 1))
    echo "=== $number $*"
}

# Run a command, then its exit status; messages of the shell go along.
try() {
    "$@" 2>&1
    echo "[$?]"
}

# Wait (at most about 10 seconds) until a command succeeds.
until_true() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 500 ] || { echo "gave up waiting for: $*"; return 1; }
        usleep 20000
    done
}

# End a background job and say how it ended. Whether the shell remarks on it
# depends on when it notices, so that is not shown.
finish() {
    kill "$1"
    wait "$1"
    echo "[$?]"
} 2>/dev/null

section output and exit statuses
echo one two
printf '%s|%5d|%-5s|%x\n' word 42 left 255
try true
try false
try sh -c 'exit 7'
try /nonexistent
try sh -c 'nonexistent-command'
try /etc/passwd
try sh -c 'kill -TERM $$'
try sh -c 'kill -KILL $$'
(exit 300); echo $?

section words and expansion
set -- a 'b c' d
echo $# "$2" "$*"
for word; do echo "<$word>"; done
x=abcabc
echo ${x#a} ${x##*b} ${x%c} ${x%%b*} ${#x} ${x/b/X} ${x:2:3}
echo ${unset:-default} ${unset:=assigned} $unset
echo $((7 * 6)) $((1 << 40)) $((-7 / 2)) $((-7 % 3)) $((0x1f ^ 3))
echo *.nothing; touch g1 g2 g3; echo g? g[12]; rm g?
case abc in a*) echo starts with a;; *) echo no;; esac
echo "$(echo nested $(echo deeper))"

section pipes
echo hello | cat
seq 1 10 | tail -n 3 | head -n 1
seq 1 100000 | wc -l
yes | head -n 3
echo abc | tr a-c A-C | rev
seq 5 | while read n; do echo "line $n"; done
(echo out; echo err >&2) 2>&1 | sort
{ echo a; echo b; } | { read x; read y; echo "$y$x"; }
sh -c 'yes; echo $? >&2' 2>status | head -n 1; cat status
seq 1 2000 | sort -rn | uniq | awk '{s += $1} END {print s, NR}'
echo x | cat - /dev/null | cat | cat | cat | cat | cat | cat | wc -c

section redirection
echo first >file; echo second >>file; cat file
cat <file >copy; cmp file copy && echo same
wc -c <file
echo to-fd3 3>three >&3; cat three
exec 4>four; echo via-four >&4; exec 4>&-; cat four
try sh -c 'echo closed >&9'
exec 5<file; read line <&5; echo "$line"; read line <&5; echo "$line"; exec 5<&-
ls nowhere 2>/dev/null || echo failed quietly
ls nowhere >both 2>&1; cat both
set -C; (echo x >file) 2>&1 | sed 's/.*: //'; set +C
: >empty; wc -c <empty
echo rw 1<>file; cat file
try sh -c 'echo >/'
try sh -c 'cat <missing'
echo full >/dev/full; echo "[$?]"

section here documents
cat <<END
plain $((1 + 1)) $(echo text)
END
cat <<'END'
quoted $((1 + 1)) $(echo text)
END
cat <<-END
	tabs go
	away
END
sort <<A; cat <<B
beta
alpha
A
after
B
seq 1 20000 >big; cat <<END | cmp - big && echo big here document
$(cat big)
END

section files
mkdir dir dir/sub; echo text >dir/file; cp dir/file dir/sub/copy
try mkdir dir
try rmdir dir
try cat dir
try rm dir
try mkdir no/such/path
mkdir -p deep/er/est; try rmdir deep/er/est; rmdir -p deep/er; ls deep 2>&1
mv dir/file dir/moved; ls dir
mv dir/moved dir/sub/copy; cat dir/sub/copy; ls dir/sub
cp -r dir dir2; find dir2 | sort
rm -r dir2; ls dir2 2>&1
touch -d '2001-02-03 04:05:06' old; stat -c '%Y %s %F %n' old
date -r old -u +%Y-%m-%dT%H:%M:%S
touch new; [ new -nt old ] && echo newer; [ old -ot new ] && echo older
truncate -s 10000 sparse; stat -c %s sparse; tail -c 5 sparse | od -c
truncate -s 3 file; cat file; echo
echo 0123456789 >digits; truncate -s 4 digits; truncate -s 8 digits; od -c digits
echo long-name >$(printf 'n%.0s' $(seq 255)); ls | grep -c nnnn; rm nnn*
try touch $(printf 'n%.0s' $(seq 256))
echo spaced >'a file'; cat 'a file'; rm 'a file'
mktemp -u /tmp/fixedXXXXXX | wc -c

section links
echo body >target
ln target hard; ln -s target soft; ln -s missing dangling; ln -s loop2 loop1; ln -s loop1 loop2
stat -c '%h %F' target hard; stat -c '%F %s' soft; readlink soft; readlink dangling
cat soft hard
try cat dangling
try cat loop1
[ -L soft ] && [ ! -e dangling ] && [ hard -ef target ] && echo tests agree
echo more >>soft; cat hard
rm target; cat hard; try cat soft
echo through >dangling; cat missing
ln -s . here; ls here/here/here/hard
readlink -f here/here/hard | sed "s|$work|WORK|"
try ln hard hard
try ln dir another
ln -sf hard soft; readlink soft; cat soft
mkdir t; (cd t; ln -s ../hard up; cat up; pwd -P | sed "s|$work|WORK|")
ln -s t tlink; (cd tlink; pwd | sed "s|$work|WORK|"; pwd -P | sed "s|$work|WORK|"; cd ..; pwd | sed "s|$work|WORK|")

section permissions
touch p; chmod 640 p; stat -c '%a %A %U:%G' p
chmod u+x,g-r,o=rw p; stat -c '%a %A' p
chmod 4755 p; stat -c '%A' p; chmod 1777 dir; stat -c '%A' dir
chown nobody:nogroup p; stat -c '%u:%g %A' p
umask 077; touch private; mkdir privdir; stat -c %a private privdir; umask 022
echo '#!/bin/sh
echo "script $0 $*" | sed "s|.*/||"' >script; try ./script; chmod +x script; try ./script x y
echo '#!/nonexistent/interpreter' >bad; chmod +x bad; try sh -c ./bad
printf 'echo no header\n' >plain; chmod +x plain; try ./plain
chmod 600 private; chown 0:0 private
chmod 755 "$work"
as_nobody() { start-stop-daemon -S -c nobody:nogroup -x /bin/sh -- -c "$1" 2>&1; }
as_nobody 'id -u; cat private; echo "[$?]"; echo x >nope; echo "[$?]"; chmod 777 private; echo "[$?]"'
as_nobody 'kill -0 1; echo "[$?]"; cat /etc/hostname; ls privdir; echo "[$?]"'
[ -r private ] && [ ! -x private ] && [ -d dir ] && [ -s script ] && echo tests agree
id
whoami

section special files
echo gone >/dev/null; cat /dev/null | wc -c
head -c 5 /dev/zero | od -An -tx1
[ "$(head -c 16 /dev/urandom | md5sum)" != "$(head -c 16 /dev/urandom | md5sum)" ] && echo random
stat -c '%F %t,%T' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty
mknod mynull c 1 3; echo x >mynull; cat mynull | wc -c
mknod pipe p; stat -c %F pipe
ls -l mynull | awk '{print $1, $3, $5, $6}'
test -c /dev/null && test -p pipe && echo tests agree

section fifos
mkfifo f1
echo through the fifo >f1 & cat f1; wait
(sleep 0.1; echo late) >f1 & read x <f1; echo "$x"; wait
seq 1 50000 >f1 & wc -l <f1; wait
(cat f1 | sort -r >sorted) & (echo a; echo b; echo c) >f1; wait; cat sorted
cat f1 >/dev/null & reader=$!; exec 6>f1; finish $reader
(trap '' PIPE; echo x >&6) 2>&1 | sed 's/.*: //'; exec 6>&-

section background jobs
(exit 3) & wait $!; echo $?
sleep 5 & pid=$!; kill -0 $pid && echo alive; finish $pid
for i in 1 2 3 4 5; do (sleep 0.$i; echo job $i) & done; wait
sh -c 'kill -STOP $$; echo resumed' & pid=$!
until_true grep -q '^State:.T' /proc/$pid/status; echo stopped; kill -CONT $pid; wait $pid; echo $?
n=0; for i in $(seq 30); do (exit $i) & pids="$pids $!"; done
for p in $pids; do wait $p; n=$((n + $?)); done; echo sum $n
(sleep 0.1 & sleep 0.2 & wait; echo nested)
wait 1; echo $?
sh -c '(sleep 0.3; echo orphan >orphan) & exit 0'; until_true test -s orphan; cat orphan

section traps and signals
sh -c 'trap "echo got USR1" USR1; kill -USR1 $$; echo after'
sh -c 'trap "echo bye" EXIT; echo working; exit 4'; echo $?
sh -c 'trap "" TERM; kill -TERM $$; echo ignored'
sh -c 'trap "" INT; sh -c "kill -INT \$\$; echo inherited ignore"'
sh -c 'trap "echo int; exit 9" INT; kill -INT $$; echo unreached'; echo $?
sh -c 'trap "echo child ended" CHLD; true & wait; echo ok' | sort -u
sh -c 'trap "echo alarm" ALRM; (usleep 200000; kill -ALRM $$) & sleep 5 & s=$!; wait $s; echo $?; kill $s'
sh -c 'trap "echo hup" HUP; trap - HUP; kill -HUP $$; echo no'; echo $?
for sig in HUP INT QUIT ILL ABRT FPE KILL SEGV PIPE ALRM TERM USR1; do
    sh -c "ulimit -c 0; kill -$sig \$\$"; echo $sig $?
done 2>/dev/null
sh -c 'kill -CHLD $$; kill -URG $$; kill -WINCH $$; kill -CONT $$; echo unharmed'
try kill -0 999999
try kill -99 $$
kill -l 9 15

section time limits
timeout 1 sleep 5; echo $?
timeout 5 echo quick; echo $?
timeout -s KILL 1 sh -c 'trap "" TERM; sleep 5 & wait'; echo $?
now() { awk '{print int($1 * 100)}' /proc/uptime; }
a=$(now); sleep 0.5; b=$(now); [ $((b - a)) -ge 49 ] && echo slept long enough
a=$(now); usleep 300000; b=$(now); [ $((b - a)) -ge 29 ] && echo slept long enough
a=$(date +%s); sleep 1; b=$(date +%s); [ $b -gt $a ] && echo time passes
{ read -t 1 x <f1; echo "[$?]"; } 2>&1 & sleep 2 >f1; wait
date -u -d @86400 +%F
(time true) 2>&1 | awk '{print $1}' | tail -n 3

section tar and compression
mkdir -p tree/a/b; echo 1 >tree/one; seq 1000 >tree/a/many; ln -s ../one tree/a/link; ln tree/one tree/hardlink
chmod 700 tree/a/b; touch -d '2010-10-10 10:10:10' tree/one
tar cf t.tar tree; tar tf t.tar | sort
mkdir out; tar xf t.tar -C out; (cd out; find tree | sort; cat tree/a/link; wc -l <tree/a/many; stat -c '%a %h' tree/a/b tree/one; stat -c %Y tree/one)
tar czf t.tgz tree; gzip -t t.tgz; echo $?; tar tzf t.tgz | wc -l
cd out; tar cf - tree | (mkdir -p ../again; cd ../again; tar xf -); cd ..; diff -r out/tree again/tree && echo identical
gzip -c big | gunzip -c | cmp - big && echo gzip
bzip2 -c big | bunzip2 -c | cmp - big && echo bzip2
gzip -9 <big | wc -c; gzip big; ls big* ; gunzip big.gz; ls big*
find tree | sort | cpio -o -H newc 2>/dev/null | cpio -t 2>/dev/null | sort
echo text | xz -dc 2>&1 | head -n 1 | sed 's/.*: //'
printf 'zip me\n' | gzip | zcat

section find
find tree -type f | sort
find tree -type d -name '?' | sort
find tree -name '*an*' -exec wc -l {} \;
find tree -type l -exec readlink {} \;
find tree -size +2k
find tree -newer tree/one -type f | sort
find tree -perm 700
find . -maxdepth 1 -name 't*' -type d | sort
find tree -type f -print0 | xargs -0 ls | sort
find tree -mindepth 2 | wc -l
seq 1 500 | xargs -n 100 echo | wc -l
seq 1 6 | xargs -n 2 echo
find tree -name one -exec rm {} +; ls tree | sort
find nowhere 2>&1

section text tools
printf 'b 2\na 3\nc 1\n' >t1; sort t1; sort -k2n t1; sort -r t1 | head -n 1
seq 20000 | sort -r | sort -n | md5sum
printf 'a\na\nb\nb\nb\n' | uniq -c
sed -n '2,3p; $a\
end' t1; sed 's/[0-9]/<&>/g; y/abc/xyz/' t1
sed -i 's/a/A/' t1; cat t1
awk '{print $2 * 2, toupper($1)} END {print NR}' t1
grep -c . t1; grep -n 'b' t1; grep -v b t1; grep -rl 999 tree 2>&1 | sort
cut -d' ' -f2 t1 | paste -s -d+ | bc
tr -d '\n' <t1; echo; fold -w 3 t1; expand t1 | nl
printf 'k1 a\nk2 b\n' >j1; printf 'k1 c\nk3 d\n' >j2; cat -A j1; cmp j1 j2
diff j1 j2; echo $?
md5sum j1 | cut -d' ' -f1; sha1sum j1; sha256sum j1 | cut -c1-16; crc32 j1
head -c 6 j1 | xxd; echo aGVsbG8K | base64 -d; hexdump -C j1 | head -n 1
expr 6 \* 7; expr abc : 'a\(.*\)'; seq -s, 1 5; factor 360360
tac j1; rev j1; wc j1; strings -n 4 /bin/busybox | grep -c BusyBox\ v | sed 's/[1-9][0-9]*/some/'
echo 'obase=16; 2^64' | bc; echo '2 3 + p' | dc
ed -s j1 <<END
1s/k/K/
w
q
END
patch j1 <<END
--- j1
+++ j1
@@ -1,2 +1,2 @@
 K1 a
-k2 b
+k2 patched
END
cat j1

section dd
dd if=/dev/zero of=zeros bs=1k count=100 2>/dev/null; stat -c %s zeros
printf abcdefgh >d; dd if=d of=e bs=2 skip=1 seek=2 count=2 2>/dev/null; od -c e
printf XY | dd of=d bs=1 seek=3 conv=notrunc 2>/dev/null; cat d; echo
dd if=/dev/zero of=hole bs=1 count=1 seek=1048575 2>/dev/null; stat -c %s hole; md5sum <hole
dd if=big bs=777 2>/dev/null | cmp - big && echo odd blocks
dd if=/dev/zero bs=64k count=16 2>/dev/null | md5sum
dd if=d bs=4 count=1 2>&1 | tail -n 3 | sed 's/, .*//'
cat /dev/zero | dd bs=1M count=4 iflag=fullblock 2>/dev/null | wc -c

section processes
sleep 7.25 & pid=$!
until_true grep -qx sleep /proc/$pid/comm
ps -o comm,args | grep '[s]leep 7.25'
ps -o pid,ppid,comm | awk -v p=$pid -v me=$$ '$1 == p {print $2 == me, $3}'
pidof sleep | grep -cw $pid
finish $pid
[ -d /proc/$pid ] || echo gone
sh -c 'echo $PPID' | grep -cx $$
sh -c 'ulimit -n 64; ulimit -n'; sh -c 'ulimit -c 0; ulimit -c'
renice -n 5 -p $$; awk '{print $19}' /proc/$$/stat; renice -n 0 -p $$
setsid sh -c '[ "$(cut -d" " -f6 /proc/$$/stat)" = $$ ] && echo session leader'
env -i A=1 B=2 env | sort
env -i /bin/sh -c 'echo ${HOME-nohome}'
(cd /; sh -c 'echo $PWD')
n=0; while [ $n -lt 100 ]; do /bin/true || echo failed; n=$((n + 1)); done; echo $n processes
deep() { [ $1 -eq 0 ] && echo bottom || (deep $(($1 - 1))); }; deep 20
sh -c 'exec echo replaced'
nohup echo nohup 2>/dev/null
sh -c 'exec -a other sh -c "echo hi"' 2>&1 | tail -n 1 | sed 's/.*: //'
killall -0 nonexistent-name 2>&1
chroot / /bin/echo chrooted; mkdir -p root/bin; cp /bin/busybox root/bin/; chroot root /bin/busybox sh -c 'echo *; pwd; cd ..; echo *'

section proc
grep -E '^(Name|State|Tgid|Threads|Uid|Gid):' /proc/self/status | sed 's/[0-9][0-9][0-9]*$/N/; s/^Tgid.*/Tgid/'
tr '\0' ' ' </proc/self/cmdline; echo
readlink /proc/self/exe; readlink /proc/$$/cwd | sed "s|$work|WORK|"; readlink /proc/$$/root
[ "$(readlink /proc/self)" -gt 1 ] && echo a number
sh -c 'exec 7</etc/passwd; readlink /proc/$$/fd/7; ls /proc/$$/fd 2>/dev/null | grep -cx 7'
A=visible sh -c 'tr "\0" "\n" </proc/$$/environ | grep ^A='
grep -c 'busybox$' /proc/self/maps | sed 's/[1-9].*/some/'; grep -cE '\[(heap|stack)\]$' /proc/self/maps
awk '{print NF}' /proc/self/stat /proc/self/statm /proc/loadavg /proc/uptime
cut -d' ' -f2,3 /proc/self/stat
awk '$2 == "/proc" || $2 == "/tmp" || $2 == "/dev" {print $1, $2, $3}' /proc/mounts | sort
mount | awk '$3 == "/tmp" {print $1, $2, $3, $4, $5}'
grep -cE '^(MemTotal|MemFree|MemAvailable|Buffers|Cached|SwapTotal|SwapFree): ' /proc/meminfo
free | awk '{print $1}' | head -n 2; df /tmp | awk 'NR == 2 {print $1, $6}'
grep -c ^processor /proc/cpuinfo | grep -cx "$(nproc)"
awk '/^(cpu |btime|processes|ctxt)/ {print $1}' /proc/stat | sort
cut -c1-13 /proc/version; uname -sm; uname -n; cat /proc/sys/kernel/hostname
ls /proc/self | grep -xE 'cmdline|comm|cwd|environ|exe|fd|maps|mounts|root|stat|status' | sort
grep -wE 'tmpfs|proc|devtmpfs' /proc/filesystems | awk '{print $NF}' | sort
echo 1 2>&1 >/proc/version || echo read-only
(echo x >/proc/newfile) 2>&1 | sed 's/.*: //'; try rm /proc/uptime | sed 's/.*: //'
uptime | grep -c 'load average'
top -b -n 1 | grep -c '[C]OMMAND'
dmesg >/dev/null; echo $?

section mounts
mkdir m; mount -t tmpfs none m; echo $?; echo in >m/x; ls m
mount | awk -v m="$work/m" '$3 == m {print $5}'
(cd m; umount "$work/m" 2>&1 | sed 's/.*: //'); cat m/x
umount m; echo $?; ls m
mount -t tmpfs -o size=64k small m; dd if=/dev/zero of=m/fill bs=4k count=100 2>&1 | grep -c 'No space'; stat -c %s m/fill; rm m/fill; echo again >m/fill; cat m/fill; umount m
mount -t tmpfs -o ro none m; (echo x >m/y) 2>&1 | sed 's/.*: //'; umount m
mount -t nonsense none m 2>&1 | sed 's/.*: //'
umount m 2>&1 | sed 's/.*: //'
mkdir m2; mount --bind tree m2; ls m2 | sort; umount m2; ls m2

section many files
mkdir many; i=0; while [ $i -lt 500 ]; do echo $i >many/$i; i=$((i + 1)); done
ls many | wc -l; cat many/* | awk '{s += $1} END {print s}'
ls many | sort -n | tail -n 1; rm many/1??; ls many | wc -l
(cd many; for f in 2??; do mv $f renamed-$f; done; ls | grep -c renamed)
rm -r many; ls many 2>&1
mkdir race; for j in 1 2 3 4; do (for k in $(seq 40); do echo $j$k >race/$j.$k; done) & done; wait; ls race | wc -l; cat race/* | sort -u | wc -l
for j in 1 2 3 4; do rm race/$j.* & done; wait; ls race | wc -l
for j in 1 2 3; do (for k in $(seq 30); do mkdir race/lock 2>/dev/null && { echo x >>race/count; rmdir race/lock; }; done) & done; wait; [ -s race/count ] && echo counted
for j in 1 2 3 4; do (for k in $(seq 100); do echo "$j" >>race/append; done) & done; wait; sort race/append | uniq -c | awk '{print $1, $2}'

section a long life
for i in $(seq 5); do seq 1 3000 | sort | md5sum; done | sort -u
echo "$(cat /bin/busybox | md5sum)" | grep -c "$(md5sum </bin/busybox)"
cp /bin/busybox busybox2; ./busybox2 echo runs; rm busybox2
cp /bin/busybox busybox3; ./busybox3 sleep 30 & pid=$!
until_true grep -q busybox3 /proc/$pid/maps
(cat /etc/passwd >>busybox3) 2>&1 | sed 's/.*: //'; rm busybox3
readlink /proc/$pid/exe | sed "s|$work|WORK|"; finish $pid
cat big big big big big | wc -c
x=$(seq 1 5000); echo ${#x}
seq 1 300 | while read n; do echo $((n * n)); done | tail -n 1
awk 'BEGIN {for (i = 0; i < 200000; i++) a[i] = i; for (i in a) s += a[i]; print s}'
sh -c 'f() { f; }; ulimit -s 256; f' >/dev/null 2>&1; [ $? -ne 0 ] && echo recursion ended

cd / && rm -rf "$work"
section done
ls "$work" 2>&1 | sed "s|$work|WORK|"
