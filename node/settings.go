package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/p2p"

	"github.com/waybill-ledger/waybill/schemas"
)

// SettingsFile is the name of the settings in a node's home.
const SettingsFile = "waybill.json"

// Settings are what an operator may choose. The file in the home is read first,
// then the environment, then flags: the later wins.
type Settings struct {
	Home   string              `json:"-"`
	Getenv func(string) string `json:"-"` // of the environment that they were read over
	// SegmentBytes is where a segment of the archive is full: 0, 64 MiB, but in tests.
	SegmentBytes uint32 `json:"-"`
	// Rules are the newest rules that the program knows: 0, schemas.RulesVersion, but in tests.
	Rules uint32 `json:"-"`
	// TestingOnlyDisk comes between the engine and its databases, by their names.
	TestingOnlyDisk func(name string, db dbm.DB) dbm.DB `json:"-"`

	Partner   string   `json:"partner"`             // whose node this is, by its name on the ledger
	REST      string   `json:"rest"`                // address that the gateway listens on
	RPC       string   `json:"rpc"`                 // loopback address of the engine's calls, "" for none
	P2P       string   `json:"p2p"`                 // address that other partners' nodes connect to, "" for none
	Advertise string   `json:"advertise,omitempty"` // address told to peers where it differs from p2p
	Peers     []string `json:"peers"`               // other nodes, as ID@HOST:PORT

	Unlock  string `json:"unlock,omitempty"`  // where encrypted keys are unlocked from: prompt, file:PATH, env:NAME, identity:PATH
	Signer  string `json:"signer,omitempty"`  // ID@HOST:PORT: the remote signer that may connect, and where it does
	Standby string `json:"standby,omitempty"` // ID@HOST:PORT: the other node of a pair, by its machine's id

	Backend  string `json:"backend"`   // database of the ledger: goleveldb or pebbledb
	LogLevel string `json:"log_level"` // debug, info, warn or error
	LogJSON  bool   `json:"log_json"`  // log lines as JSON

	ProposeTimeout Duration `json:"propose_timeout"` // wait for a proposal before voting for none
	VoteTimeout    Duration `json:"vote_timeout"`    // wait for stragglers' votes
	IdleInterval   Duration `json:"idle_interval"`   // an idle network makes a block this often
	ExpiryHeights  int64    `json:"expiry_heights"`  // heights for which what the gateway signs is valid
	PendingBytes   int64    `json:"pending_bytes"`   // bound of transactions that wait for a block
	PendingCount   int      `json:"pending_count"`   // bound of their number
	CacheBytes     int      `json:"cache_bytes"`     // decoded transactions that the ledger remembers
	GatherEvents   int      `json:"gather_events"`   // single events that may share a signature; 1: none do

	Trust           string `json:"trust,omitempty"`  // root of trust: a node without a ledger begins with a peer's snapshot
	SnapshotHeights int    `json:"snapshot_heights"` // heights with transactions from snapshot to snapshot; 0: none is taken
	HistoryRate     int64  `json:"history_rate"`     // bytes a second at which what came before a snapshot is fetched; 0: never

	S3Endpoint    string `json:"s3_endpoint,omitempty"`    // URL of the S3-compatible store
	S3Region      string `json:"s3_region,omitempty"`      // its region
	S3Credentials string `json:"s3_credentials,omitempty"` // file with its access keys

	ArchiveStore   string `json:"archive_store,omitempty"` // s3://BUCKET/PREFIX for old bodies; "": they stay
	ArchiveHeights int64  `json:"archive_local_heights"`   // last heights whose bodies stay all the same

	Bodies       string   `json:"bodies"`                  // all, or own: of what the partner is a party to
	WebhookAllow []string `json:"webhook_allow,omitempty"` // internal networks that subscribers may be in, as CIDRs
}

// DefaultSettings are those of a node in one region's network.
func DefaultSettings(home string) Settings {
	return Settings{
		Home: home,
		REST: "127.0.0.1:8080", RPC: "127.0.0.1:26657", P2P: "0.0.0.0:26656",
		Backend: "goleveldb", LogLevel: "info",
		ProposeTimeout: Duration(500 * time.Millisecond), VoteTimeout: Duration(100 * time.Millisecond),
		IdleInterval: Duration(5 * time.Second), ExpiryHeights: 1000,
		PendingBytes: 256 << 20, PendingCount: 20000, CacheBytes: 64 << 20, GatherEvents: 100, SnapshotHeights: 5000, HistoryRate: 8 << 20,
		ArchiveHeights: 100000, Bodies: allBodies,
	}
}

// Duration is a time.Duration that JSON shows as "500ms".
type Duration time.Duration

// MarshalText writes the duration as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a duration as Go does.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is no duration: write it as 500ms or 5s", b)
	}
	*d = Duration(v)
	return nil
}

// A Setting is one field of the settings, as environment and flags name it.
type Setting struct {
	Name  string // of the flag; the environment has WAYBILL_ and the name in capitals
	Help  string
	Set   func(value string) error
	Value string // as Set reads it
}

// Env is the environment variable of the setting.
func (s Setting) Env() string {
	return "WAYBILL_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// Fields lists what environment and flags may set.
func (s *Settings) Fields() []Setting {
	return []Setting{
		{"partner", "whose node this is, by its name on the ledger", text(&s.Partner), s.Partner},
		{"rest", "address that the gateway listens on", text(&s.REST), s.REST},
		{"rpc", "loopback address of the engine's calls, none if empty", text(&s.RPC), s.RPC},
		{"p2p", "address that other partners' nodes connect to; empty: none can, and this node connects to all of --peers", text(&s.P2P), s.P2P},
		{"advertise", "address told to peers where it differs from --p2p", text(&s.Advertise), s.Advertise},
		{"peers", "other nodes, ID@HOST:PORT, separated by commas", list(&s.Peers), strings.Join(s.Peers, ",")},
		{"unlock", "where encrypted keys are unlocked from: prompt, file:PATH, env:NAME or identity:PATH", text(&s.Unlock), s.Unlock},
		{"signer", "remote signer of the validator: ID@HOST:PORT, who may connect, and the address here that it connects to", text(&s.Signer), s.Signer},
		{"standby", "other node of a pair that shares a signer: ID@HOST:PORT, its machine's id and where it listens for peers", text(&s.Standby), s.Standby},
		{"backend", "database of the ledger: goleveldb or pebbledb", text(&s.Backend), s.Backend},
		{"log-level", "debug, info, warn or error", text(&s.LogLevel), s.LogLevel},
		{"log-json", "log lines as JSON: true or false", flag(&s.LogJSON), strconv.FormatBool(s.LogJSON)},
		{"propose-timeout", "wait for a proposal before voting for none", s.ProposeTimeout.set(), time.Duration(s.ProposeTimeout).String()},
		{"vote-timeout", "wait for stragglers' votes", s.VoteTimeout.set(), time.Duration(s.VoteTimeout).String()},
		{"idle-interval", "an idle network makes a block this often", s.IdleInterval.set(), time.Duration(s.IdleInterval).String()},
		{"expiry-heights", "heights for which what the gateway signs is valid", number(&s.ExpiryHeights), fmt.Sprint(s.ExpiryHeights)},
		{"pending-bytes", "bound of the bytes of waiting transactions", number(&s.PendingBytes), fmt.Sprint(s.PendingBytes)},
		{"pending-count", "bound of the number of waiting transactions", number(&s.PendingCount), fmt.Sprint(s.PendingCount)},
		{"cache-bytes", "bytes of decoded transactions to remember", number(&s.CacheBytes), fmt.Sprint(s.CacheBytes)},
		{"trust", "root of trust (waybill trust): a node without a ledger begins with a peer's snapshot", absolute(&s.Trust), s.Trust},
		{"snapshot-heights", "heights with transactions from snapshot to snapshot; 0: none is taken", number(&s.SnapshotHeights), fmt.Sprint(s.SnapshotHeights)},
		{"history-rate", "bytes a second at which what came before a snapshot is fetched; 0: never", number(&s.HistoryRate), fmt.Sprint(s.HistoryRate)},
		{"s3-endpoint", "URL of an S3-compatible store for s3:// addresses, https://HOST[:PORT]", text(&s.S3Endpoint), s.S3Endpoint},
		{"s3-region", "region of that store", text(&s.S3Region), s.S3Region},
		{"s3-credentials", "file, of mode 0600, with its access keys (default: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)", absolute(&s.S3Credentials), s.S3Credentials},
		{"archive-store", "s3://BUCKET/PREFIX where bodies of old events are moved to; empty: they stay", text(&s.ArchiveStore), s.ArchiveStore},
		{"archive-local-heights", "last heights whose bodies stay in the home all the same", number(&s.ArchiveHeights), fmt.Sprint(s.ArchiveHeights)},
		{"bodies", "whose events' bodies the node keeps: all, or own (of what its partner is a party to)", text(&s.Bodies), s.Bodies},
		{"webhook-allow", "internal networks that subscribers may be in, as 10.1.0.0/16, separated by commas; others are never called", list(&s.WebhookAllow), strings.Join(s.WebhookAllow, ",")},
		{"gather-events", "single events that may share a signature; 1: none do", number(&s.GatherEvents), fmt.Sprint(s.GatherEvents)},
	}
}

// destinations are the internal networks that subscribers may be in.
func (s *Settings) destinations() (out []netip.Prefix, err error) {
	for _, text := range s.WebhookAllow {
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() {
			return nil, fmt.Errorf("%q is no network: write it as 10.1.0.0/16", text)
		}
		out = append(out, p)
	}
	return out, nil
}

// s3 is how the home's store is reached.
func (s *Settings) s3() S3 {
	return S3{Endpoint: s.S3Endpoint, Region: s.S3Region, Credentials: s.S3Credentials, Getenv: s.Getenv, secrets: s.secrets()}
}

func text(p *string) func(string) error {
	return func(v string) error { *p = v; return nil }
}

// absolute makes a file's name independent of where the program runs.
func absolute(p *string) func(string) error {
	return func(v string) (err error) {
		if *p = v; v != "" {
			*p, err = filepath.Abs(v)
		}
		return err
	}
}

func list(p *[]string) func(string) error {
	return func(v string) error {
		*p = nil
		for _, part := range strings.Split(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*p = append(*p, part)
			}
		}
		return nil
	}
}

func flag(p *bool) func(string) error {
	return func(v string) (err error) {
		if *p, err = strconv.ParseBool(v); err != nil {
			return fmt.Errorf("%q is neither true nor false", v)
		}
		return nil
	}
}

func (d *Duration) set() func(string) error {
	return func(v string) error { return d.UnmarshalText([]byte(v)) }
}

func number[N int | int64](p *N) func(string) error {
	return func(v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is no whole number", v)
		}
		*p = N(n)
		return nil
	}
}

// LoadSettings reads the home's file and the environment over the defaults. It
// does not check the whole: flags may follow, and then Check.
func LoadSettings(home string, getenv func(string) string) (Settings, error) {
	s := DefaultSettings(home)
	s.Getenv = getenv
	file := filepath.Join(home, SettingsFile)
	b, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, fmt.Errorf("%s is no node's home: %s is missing (waybill init makes one)", home, SettingsFile)
	case err != nil:
		return s, fmt.Errorf("reading settings: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("reading settings in %s: %w", file, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return s, fmt.Errorf("reading settings in %s: something follows the settings", file)
	}
	for _, f := range s.Fields() {
		v := getenv(f.Env())
		if v == "" {
			continue
		}
		if err := f.Set(v); err != nil {
			return s, fmt.Errorf("reading %s from the environment: %w", f.Env(), err)
		}
	}
	return s, nil
}

// Save writes the settings into their home.
func (s *Settings) Save() error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding settings: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.Home, SettingsFile), append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing settings: %w", err)
	}
	return nil
}

// Check finds what cannot work before anything is opened, all of it at once.
func (s *Settings) Check() error {
	var errs []error
	refuse := func(setting, format string, args ...any) {
		errs = append(errs, fmt.Errorf("setting %s: %s", setting, fmt.Sprintf(format, args...)))
	}
	if s.Partner == "" {
		refuse("partner", "name the partner whose node this is")
	}
	for name, address := range map[string]string{"rest": s.REST, "p2p": s.P2P} {
		if address == "" && name == "p2p" {
			continue // nobody connects to this node
		}
		if _, _, err := splitAddress(address); err != nil {
			refuse(name, "%v", err)
		}
	}
	if s.RPC != "" {
		if host, _, err := splitAddress(s.RPC); err != nil {
			refuse("rpc", "%v", err)
		} else if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			refuse("rpc", "%q is not on the loopback: the engine's calls ask for no key, use 127.0.0.1", s.RPC)
		}
	}
	for _, peer := range s.Peers {
		if _, err := p2p.NewNetAddressString(peer); err != nil {
			refuse("peers", "%q is not ID@HOST:PORT: %v", peer, err)
		}
	}
	if err := checkUnlock(s.Unlock); err != nil {
		refuse("unlock", "%v", err)
	}
	if _, err := s.signer(); err != nil {
		refuse("signer", "%v", err)
	}
	if _, err := s.twin(); err != nil {
		refuse("standby", "%v", err)
	}
	if s.Backend != "goleveldb" && s.Backend != "pebbledb" {
		refuse("backend", "%q is neither goleveldb nor pebbledb", s.Backend)
	}
	if _, err := s.level(); err != nil {
		refuse("log_level", "%v", err)
	}
	if s.Bodies != allBodies && s.Bodies != ownBodies {
		refuse("bodies", "%q is neither all nor own", s.Bodies)
	}
	if _, err := s.archiveBucket(); err != nil {
		errs = append(errs, err)
	}
	if _, err := s.destinations(); err != nil {
		refuse("webhook_allow", "%v", err)
	}
	s.checkBounds(refuse)
	return errors.Join(errs...)
}

func (s *Settings) checkBounds(refuse func(setting, format string, args ...any)) {
	for name, d := range map[string]Duration{"propose_timeout": s.ProposeTimeout, "vote_timeout": s.VoteTimeout, "idle_interval": s.IdleInterval} {
		if d < Duration(10*time.Millisecond) || d > Duration(time.Hour) {
			refuse(name, "%s is not between 10ms and 1h", time.Duration(d))
		}
	}
	for _, b := range []struct {
		name          string
		value, lo, hi int64
	}{
		{"expiry_heights", s.ExpiryHeights, 10, maxExpiryHeights},
		{"pending_bytes", s.PendingBytes, 8 << 20, 8 << 30},
		{"pending_count", int64(s.PendingCount), 100, 1 << 20},
		{"cache_bytes", int64(s.CacheBytes), 1 << 20, 64 << 30},
		{"gather_events", int64(s.GatherEvents), 1, schemas.MaxMessages},
		{"snapshot_heights", int64(s.SnapshotHeights), 0, 1 << 30},
		{"history_rate", s.HistoryRate, 0, 1 << 40},
		{"archive_local_heights", s.ArchiveHeights, 0, 1 << 50},
	} {
		if b.value < b.lo || b.value > b.hi {
			refuse(b.name, "%d is not between %d and %d", b.value, b.lo, b.hi)
		}
	}
}

func splitAddress(address string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(address)
	if err != nil {
		return "", "", fmt.Errorf("%q is not HOST:PORT", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", "", fmt.Errorf("%q has no port between 1 and 65535", address)
	}
	return host, port, nil
}

func (s *Settings) level() (slog.Level, error) {
	var l slog.Level
	switch s.LogLevel {
	case "debug", "info", "warn", "error":
		return l, l.UnmarshalText([]byte(s.LogLevel))
	}
	return l, fmt.Errorf("%q is none of debug, info, warn, error", s.LogLevel)
}
