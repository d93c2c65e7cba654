package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"filippo.io/age"
)

// readVault opens backups to read: nothing is changed.
func readVault(ctx context.Context, d depot, identities []age.Identity) (*vault, error) {
	b, err := d.read(ctx, "format", int64(len(vaultFormat)))
	if err != nil || string(b) != vaultFormat {
		return nil, errors.Join(fmt.Errorf("%s has no backups that can be read, or those of another version of the program", d), err)
	}
	return &vault{depot: d, identities: identities}, nil
}

// restorable are the files that a backup may hold: a manifest names no others,
// wherever it came from.
var restorable = regexp.MustCompile(`^(archive/(records|bodies)-\d{10}\.seg|gateway\.dump|genesis\.json|waybill\.json|card\.json|tip\.block|keys/(partner|node|validator)\.json|keys/(partner|validator)-next\.json|keys/identity\.age)$`)

// manifest reads a backup's manifest; "" is the newest.
func (v *vault) manifest(ctx context.Context, name string) (string, *manifest, error) {
	names, err := v.manifests(ctx)
	if err != nil {
		return "", nil, err
	}
	if name == "" {
		if len(names) == 0 {
			return "", nil, fmt.Errorf("%s has no backup that was finished", v.depot)
		}
		name = names[0]
	}
	match := manifestName.FindStringSubmatch(name)
	if match == nil {
		return "", nil, fmt.Errorf("%q is no name of a backup: %s has %s", name, v.depot, strings.Join(names, ", "))
	}
	stored, err := v.depot.read(ctx, manifestsDir+name, maxManifest)
	if err != nil {
		return "", nil, fmt.Errorf("reading the manifest: %w", err)
	}
	if sum := sha256.Sum256(stored); hex.EncodeToString(sum[:]) != match[2] {
		return "", nil, fmt.Errorf("the manifest %s is damaged", name)
	}
	text, err := v.unseal(stored, match[3] == "age", maxManifest)
	if err != nil {
		return "", nil, fmt.Errorf("reading the manifest %s: %w", name, err)
	}
	m := &manifest{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil || m.Format != manifestFormat {
		return "", nil, errors.Join(fmt.Errorf("the manifest %s is of another version of the program", name), err)
	}
	return name, m, m.check()
}

// check finds what no backup of ours has, so that nothing else can be made of it
// than a home.
func (m *manifest) check() error {
	seen := map[string]bool{}
	for _, f := range m.Files {
		if !restorable.MatchString(f.Path) || seen[f.Path] {
			return fmt.Errorf("the manifest names %q, which no backup has, or has once", f.Path)
		}
		seen[f.Path] = true
		if f.Size < 0 || len(f.SHA256) != sha256.Size || int64(len(f.Chunks)) != (f.Size+chunkSize-1)/chunkSize {
			return fmt.Errorf("the manifest says of %s %d bytes in %d chunks", f.Path, f.Size, len(f.Chunks))
		}
		for _, name := range f.Chunks {
			if !chunkName.MatchString(name) {
				return fmt.Errorf("the manifest names the chunk %q", name)
			}
		}
	}
	for _, path := range []string{dumpFile, genesisFile, SettingsFile} {
		if !seen[path] {
			return fmt.Errorf("the manifest lacks %s", path)
		}
	}
	if m.Height < 1 {
		return fmt.Errorf("the manifest is of height %d", m.Height)
	}
	return nil
}

func (m *manifest) has(path string) bool {
	return slices.ContainsFunc(m.Files, func(f manifestFile) bool { return f.Path == path })
}

// encrypted reports whether a backup of this name is.
func encrypted(name string) bool { return strings.HasSuffix(name, ".age") }

// open reads a file of a backup; its reader fails unless the whole is what the
// manifest says.
func (v *vault) open(ctx context.Context, f manifestFile, encrypted bool) io.Reader {
	return &chunkReader{ctx: ctx, vault: v, file: f, encrypted: encrypted, left: f.Chunks, sum: sha256.New()}
}

// chunkReader reads chunks one behind the other.
type chunkReader struct {
	ctx       context.Context // an io.Reader is given none
	vault     *vault
	file      manifestFile
	encrypted bool
	left      []string
	rest      []byte
	size      int64
	sum       interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func (r *chunkReader) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		if len(r.left) == 0 {
			if r.size != r.file.Size || !bytes.Equal(r.sum.Sum(nil), r.file.SHA256) {
				return 0, fmt.Errorf("%s of the backup is not what its manifest says", r.file.Path)
			}
			return 0, io.EOF
		}
		var err error
		if r.rest, err = r.vault.chunk(r.ctx, r.left[0], r.encrypted); err != nil {
			return 0, fmt.Errorf("reading %s of the backup: %w", r.file.Path, err)
		}
		r.left = r.left[1:]
		r.size += int64(len(r.rest))
		_, _ = r.sum.Write(r.rest) // a hash takes everything
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// chunk reads one chunk, if it is whole.
func (v *vault) chunk(ctx context.Context, name string, encrypted bool) ([]byte, error) {
	stored, err := v.depot.read(ctx, chunkPath(name), chunkSize+chunkSize/8)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(stored); hex.EncodeToString(sum[:]) != name[65:] {
		return nil, fmt.Errorf("the chunk %s is damaged: restore an older backup (--backup), and remove the file, so that the next backup writes it again", name)
	}
	return v.unseal(stored, encrypted, chunkSize)
}
