package e2e_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stoppedHome makes the home of a network of one, which captured events and was
// stopped.
func stoppedHome(t *testing.T) string {
	t.Helper()
	x := start(t, 1)
	for n := range 10 {
		_, body := newEvent(0, "fault", n)
		if err := acknowledge(t.Context(), x.plain(t, 0), body); err != nil {
			t.Fatal(err)
		}
	}
	x.end(t, 0)
	return x.members[0].Home
}

// injection is a fault of a system call, by strace: an error, or the death of the
// process, when a thread makes the call for the n-th time.
type injection struct {
	call, fault string
	n           int
}

func (i injection) String() string {
	return fmt.Sprintf("inject=%s:%s:when=%d", i.call, i.fault, i.n)
}

// injections are a failing disk, a full one, and a kill, at every kind of step: a
// few of them, others in each run.
func injections(t *testing.T) (list []injection) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	defer func() {
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		// Those of the first calls always hit; one of them makes sure that faults do.
		list = append([]injection{{"fsync", "signal=SIGKILL", 1}, {"renameat", "error=EIO", 1}, {"write", "error=ENOSPC", 2}}, list[:9]...)
	}()
	for _, n := range []int{1, 2, 3, 5, 8, 13, 21, 34} {
		for _, call := range []string{"fsync", "write", "pwrite64", "renameat", "openat", "unlinkat", "mkdirat"} {
			list = append(list, injection{call, "signal=SIGKILL", n})
		}
		for _, call := range []string{"fsync", "renameat", "mkdirat"} {
			list = append(list, injection{call, "error=EIO", n})
		}
		for _, call := range []string{"write", "pwrite64"} {
			list = append(list, injection{call, "error=ENOSPC", n})
		}
	}
	return list
}

// faulty runs the program under a fault, and reports whether it ended well.
func faulty(t *testing.T, i injection, args ...string) (ended bool, out string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "strace")
	cmd := exec.Command("strace", append([]string{"-f", "-o", log, "-e", "trace=" + i.call, "-e", i.String(), program}, args...)...)
	b, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	// A fault of every write also hits the one by which Go's runtime wakes itself.
	if strings.Contains(string(b), "goroutine ") && !strings.Contains(string(b), "netpollBreak write failed") {
		t.Errorf("%s: the program panics:\n%s", i, b)
	}
	// What the disk refuses is told; only a killed process says nothing.
	if err != nil && strings.HasPrefix(i.fault, "error=") && len(strings.TrimSpace(string(b))) == 0 && exit.ExitCode() != -1 {
		text, _ := os.ReadFile(log)
		if !strings.Contains(string(text), "write(2,") { // the message itself could not be written
			t.Errorf("%s: %v, and nothing is said", i, err)
		}
	}
	return err == nil, string(b)
}

func needStrace(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("several processes: not with -short")
	}
	if err := exec.Command("strace", "-o", os.DevNull, "true").Run(); err != nil {
		t.Skipf("strace does not work here: %v", err)
	}
}

// Whatever ends a backup, those before it stand, and the next one succeeds.
func TestBackupUnderFaults(t *testing.T) {
	needStrace(t)
	home, vault := stoppedHome(t), filepath.Join(t.TempDir(), "backups")
	keys := filepath.Join(home, "keys")
	waybill(t, "backup", "--home", home, "--to", vault)
	hit := 0
	for _, i := range injections(t) {
		fresh := filepath.Join(t.TempDir(), "fresh")
		args := func(to string) []string { return []string{"backup", "--home", home, "--to", to, "--keep", "2"} }
		ended, _ := faulty(t, i, args(fresh)...)
		if !ended {
			hit++
		}
		// The same into a directory that has backups already.
		faulty(t, i, args(vault)...)
		waybill(t, "restore", "--from", vault, "--dry-run")
		waybill(t, args(fresh)...)
		waybill(t, "restore", "--from", fresh, "--dry-run")
		if left, _ := filepath.Glob(filepath.Join(fresh, "*", "*", "*.unfinished")); len(left) > 0 {
			t.Errorf("%s: the next backup leaves %v", i, left)
		}
	}
	if hit < 2 {
		t.Errorf("only %d faults ended a backup", hit)
	}
	waybill(t, "restore", "--from", vault, "--home", home+".new", "--keys", keys, "--new-validator-key")
	waybill(t, "check", "--home", home+".new")
}

// Whatever ends a restore, the home is there whole or not at all, and the next
// restore makes it.
func TestRestoreUnderFaults(t *testing.T) {
	needStrace(t)
	home, vault := stoppedHome(t), filepath.Join(t.TempDir(), "backups")
	waybill(t, "backup", "--home", home, "--to", vault)
	hit := 0
	for n, i := range injections(t) {
		to := filepath.Join(t.TempDir(), fmt.Sprint("home", n))
		args := []string{"restore", "--from", vault, "--home", to, "--keys", filepath.Join(home, "keys"), "--sign-after", "1000"}
		ended, out := faulty(t, i, args...)
		_, err := os.Stat(to)
		if ended && err != nil {
			t.Errorf("%s: the restore succeeds, and there is no home: %v\n%s", i, err, out)
		}
		if !ended {
			hit++
		}
		if errors.Is(err, fs.ErrNotExist) {
			waybill(t, args...)
		}
		waybill(t, "check", "--home", to)
	}
	if hit < 2 {
		t.Errorf("only %d faults ended a restore", hit)
	}
}

// Whatever ends a rebuild, the archive is as it was, and the next rebuild makes
// the database.
func TestRebuildUnderFaults(t *testing.T) {
	needStrace(t)
	home := stoppedHome(t)
	hit := 0
	for _, i := range injections(t) {
		if ended, _ := faulty(t, i, "check", "--home", home, "--rebuild"); !ended {
			hit++
		}
		waybill(t, "check", "--home", home, "--rebuild")
		waybill(t, "check", "--home", home)
	}
	if hit < 2 {
		t.Errorf("only %d faults ended a rebuild", hit)
	}
}

// smallDisk mounts a file system of its own with so many bytes left, and returns
// what fills the rest.
func smallDisk(t *testing.T, left int64) (dir, filler string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system takes root")
	}
	image := filepath.Join(t.TempDir(), "disk")
	dir = filepath.Join(t.TempDir(), "mounted")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 16<<20)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-m", "0", image).CombinedOutput(); err != nil {
		t.Skipf("no file system can be made: %v %s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		t.Skipf("no file system can be mounted: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("unmounting: %v %s", err, out)
		}
	})
	filler = filepath.Join(dir, "lost+found", "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	size, err := f.Seek(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(size-left), f.Sync()); err != nil {
		t.Fatal(err)
	}
	return dir, filler
}

// fill fills a small disk to the last byte.
func fill(t *testing.T, filler string) {
	t.Helper()
	f, err := os.OpenFile(filler, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{4096, 512, 16} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// A full disk stops backup, restore and rebuild with a message that says so; when
// there is room again, they go on, and nothing is lost.
func TestFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("several processes: not with -short")
	}
	home, vault := stoppedHome(t), filepath.Join(t.TempDir(), "backups")
	waybill(t, "backup", "--home", home, "--to", vault)
	for name, c := range map[string]struct {
		left int64
		args func(dir string) []string
	}{
		"backup": {12 << 10, func(dir string) []string {
			return []string{"backup", "--home", home, "--to", filepath.Join(dir, "backups")}
		}},
		"restore": {64 << 10, func(dir string) []string {
			return []string{"restore", "--from", vault, "--home", filepath.Join(dir, "home"), "--keys", filepath.Join(home, "keys"), "--sign-after", "1000"}
		}},
		"check": {16 << 10, func(dir string) []string { return []string{"check", "--home", home, "--scratch", dir} }},
	} {
		t.Run(name, func(t *testing.T) {
			dir, filler := smallDisk(t, c.left)
			out, err := tryWaybill(c.args(dir)...)
			if err == nil || !strings.Contains(out, "no space left on device") || strings.Contains(out, "goroutine ") {
				t.Errorf("on a full disk: %v\n%s", err, out)
			}
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			waybill(t, c.args(dir)...)
		})
	}
}

// Wherever the disk is full, a restore says so and leaves nothing behind; onto a mount
// point, to which the home cannot be renamed, it does not begin.
func TestRestoreOnAFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("several processes: not with -short")
	}
	home, vault := stoppedHome(t), filepath.Join(t.TempDir(), "backups")
	waybill(t, "backup", "--home", home, "--to", vault)
	dir, filler := smallDisk(t, 0)
	args := func(to string) []string {
		return []string{"restore", "--from", vault, "--home", to, "--keys", filepath.Join(home, "keys"), "--sign-after", "1000"}
	}
	info, err := os.Stat(filler)
	if err != nil {
		t.Fatal(err)
	}
	const step = 12 << 10
	failed := 0
	for size := info.Size() - step; ; size -= step {
		if err := os.Truncate(filler, size); err != nil {
			t.Fatal(err)
		}
		out, err := tryWaybill(args(filepath.Join(dir, "home"))...)
		if err == nil {
			break
		}
		if failed++; !strings.Contains(out, "no space left on device") || strings.Contains(out, "goroutine ") {
			t.Errorf("with %d bytes left: %v\n%s", info.Size()-size, err, out)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("with %d bytes left there is %v, %v", info.Size()-size, left, err)
		}
	}
	if failed < 4 {
		t.Errorf("only %d restores found the disk full", failed)
	}
	waybill(t, "check", "--home", filepath.Join(dir, "home"))
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "home")), os.RemoveAll(filepath.Join(dir, "lost+found"))); err != nil {
		t.Fatal(err)
	}
	if out, err := tryWaybill(args(dir)...); err == nil || !strings.Contains(out, "is a mount point") {
		t.Errorf("onto a mount point: %v\n%s", err, out)
	}
}
