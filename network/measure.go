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
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.REST+"/metrics", nil)
	if err != nil {
		return 0, fmt.Errorf("asking %s for metrics: %w", m.Partner, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("asking %s for metrics: %w", m.Partner, err)
	}
	defer res.Body.Close()
	total := int64(0)
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "waybill_ledger_events_total{") {
			continue
		}
		_, value, _ := strings.Cut(lines.Text(), "} ")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("reading metrics of %s: %w", m.Partner, err)
		}
		total += int64(n)
	}
	return total, lines.Err()
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
