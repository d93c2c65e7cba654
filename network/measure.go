package network

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// committed is how many events a node has committed since it started, of any
// outcome, as its metrics count them.
func committed(ctx context.Context, m Member) (int64, error) {
	total, err := metric(ctx, m, "waybill_ledger_events_total")
	return int64(total), err
}

// metric is the sum of a node's series of a name.
func metric(ctx context.Context, m Member, name string) (total float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.REST+"/metrics", nil)
	if err != nil {
		return 0, fmt.Errorf("asking %s for metrics: %w", m.Partner, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("asking %s for metrics: %w", m.Partner, err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		n, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("reading metrics of %s: %w", m.Partner, err)
		}
		total += n
	}
	return total, lines.Err()
}

// usage is what all nodes together have used and made since they started.
type usage struct {
	processor time.Duration // user and system
	blocks    float64       // each node's
}

func used(ctx context.Context, members []Member) (u usage, err error) {
	for _, m := range members {
		seconds, err := metric(ctx, m, "process_cpu_seconds_total")
		if err != nil {
			return u, err
		}
		height, err := metric(ctx, m, "waybill_ledger_height")
		if err != nil {
			return u, err
		}
		u.processor += time.Duration(seconds * float64(time.Second))
		u.blocks += height
	}
	return u, nil
}

// since says what was used a node for so many events since then.
func (u usage) since(before usage, nodes int, events int64) string {
	n := float64(nodes) * float64(max(events, 1))
	return fmt.Sprintf("%s of processor time an event and node, %.1f events a block", (time.Duration(float64(u.processor-before.processor) / n)).Round(time.Microsecond),
		n/max(u.blocks-before.blocks, 1))
}

// everywhere waits until every node has committed as many events.
func everywhere(ctx context.Context, members []Member, events []int64) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for i, m := range members {
		for {
			n, err := committed(ctx, m)
			if err != nil {
				return err
			}
			if n >= events[i] {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s has committed %d of %d events: %w", m.Partner, n, events[i], ctx.Err())
			case <-tick.C:
			}
		}
	}
	return nil
}

// diskBytes is what a directory takes on the disk.
func diskBytes(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		// Databases delete files while they are looked at.
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("measuring %s: %w", dir, err)
	}
	return total, nil
}

// peakMemory is the most memory that a process has had resident (Linux; 0
// elsewhere).
func peakMemory(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// latencies are how long requests took.
type latencies []time.Duration

func (l latencies) percentile(p float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l))
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*p/100))]
}
