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
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/waybill-ledger/waybill/schemas"
)

// A vault is a depot of backups that share what they have in common. Content
// is cut into chunks; a chunk's file is named after a keyed hash of the content,
// so that the next backup finds what is there already and an onlooker learns
// nothing from names, and after the SHA-256 of the file itself, so that anybody
// can tell whether it is whole:
//
//	format                                what this is
//	chunks/ab/NAME.SHA256                 a chunk, encrypted where there are recipients
//	manifests/TIME-HEIGHT.SHA256.json     what one backup holds; .age where encrypted
//	manifests/....json.chunks             the SHA-256 of what follows, and the names of its chunks
//
// A file comes under its name only when it is whole and durable, and a manifest
// comes last: whatever ends a backup, those before it stand.
type vault struct {
	depot      depot
	name       schemas.Hash // keys the names of chunks
	recipients []age.Recipient
	identities []age.Identity // to read

	close   func() error
	have    map[string]string // keyed name to file name of the chunks that are there
	written int64             // bytes of new chunks
	added   int               // new chunks
}

const (
	vaultFormat  = "waybill backups 1\n"
	chunkSize    = 4 << 20
	maxManifest  = 256 << 20
	manifestsDir = "manifests/"
)

var (
	chunkName    = regexp.MustCompile(`^[0-9a-f]{64}\.[0-9a-f]{64}$`)
	manifestName = regexp.MustCompile(`^(\d{8}T\d{6}Z-\d{12})\.([0-9a-f]{64})\.(json|age)$`)
)

// openVault opens a home's backups to add one, and makes the vault where there is
// none. Only one process at a time adds.
func openVault(ctx context.Context, d depot, home string, own *partnerKeyFile, recipients []age.Recipient, list []string) (v *vault, err error) {
	v = &vault{depot: d, name: vaultName(own, list), recipients: recipients, have: map[string]string{}}
	if err := v.found(ctx); err != nil {
		return nil, err
	}
	if v.close, err = d.claim(ctx, home, homeName(own)); err != nil {
		return nil, err
	}
	names, err := d.list(ctx, "chunks/")
	if err != nil {
		return nil, errors.Join(err, v.close())
	}
	for _, n := range names {
		if n = path.Base(n); chunkName.MatchString(n) {
			v.have[n[:64]] = n
		}
	}
	return v, nil
}

// found makes the vault, or finds that it is one.
func (v *vault) found(ctx context.Context) error {
	b, err := v.depot.read(ctx, "format", int64(len(vaultFormat)))
	switch {
	case err == nil && string(b) == vaultFormat:
		return nil
	case err == nil:
		return fmt.Errorf("%s is of another version of the program, or has no backups", v.depot)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("opening the backups: %w", err)
	}
	names, err := v.depot.list(ctx, "")
	if err != nil {
		return fmt.Errorf("opening the backups: %w", err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "chunks/") && !strings.HasPrefix(name, manifestsDir) && name != lockFile && name != ownerFile && !strings.HasSuffix(name, unfinished) {
			return fmt.Errorf("%s has no backups, and is not empty: it has %s", v.depot, name)
		}
	}
	return v.depot.write(ctx, "format", []byte(vaultFormat))
}

// put adds content and returns the names of its chunks.
func (v *vault) put(ctx context.Context, from io.Reader) (chunks []string, size int64, sum []byte, err error) {
	whole := sha256.New()
	buf := make([]byte, chunkSize)
	for {
		n, err := io.ReadFull(from, buf)
		if n > 0 {
			whole.Write(buf[:n])
			size += int64(n)
			name, err := v.putChunk(ctx, buf[:n])
			if err != nil {
				return nil, 0, nil, err
			}
			chunks = append(chunks, name)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return chunks, size, whole.Sum(nil), nil
		}
		if err != nil {
			return nil, 0, nil, err
		}
	}
}

func (v *vault) putChunk(ctx context.Context, content []byte) (string, error) {
	keyed := schemas.MAC(v.name[:], content).String()
	if name, ok := v.have[keyed]; ok {
		return name, nil
	}
	stored, err := v.seal(content)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(stored)
	name := keyed + "." + hex.EncodeToString(sum[:])
	if err := v.depot.write(ctx, chunkPath(name), stored); err != nil {
		return "", err
	}
	v.have[keyed] = name
	v.written += int64(len(stored))
	v.added++
	return name, nil
}

// chunkPath is a chunk's name in the depot.
func chunkPath(name string) string { return "chunks/" + name[:2] + "/" + name }

func (v *vault) seal(content []byte) ([]byte, error) {
	if len(v.recipients) == 0 {
		return content, nil
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, v.recipients...)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	return out.Bytes(), nil
}

// unseal decrypts at most limit bytes.
func (v *vault) unseal(stored []byte, encrypted bool, limit int64) ([]byte, error) {
	if !encrypted {
		return stored, nil
	}
	if len(v.identities) == 0 {
		return nil, errors.New("the backup is encrypted: --identity FILE must name the age identity")
	}
	r, err := age.Decrypt(bytes.NewReader(stored), v.identities...)
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("decrypting: more than %d bytes", limit)
	}
	return b, nil
}

// finish adds the manifest, which makes the backup one.
func (v *vault) finish(ctx context.Context, m *manifest) (name string, err error) {
	base := fmt.Sprintf("%s-%012d", m.Made.UTC().Format("20060102T150405Z"), m.Height)
	var list []string
	for _, f := range m.Files {
		list = append(list, f.Chunks...)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encoding the manifest: %w", err)
	}
	stored, err := v.seal(text)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(stored)
	ending := "json"
	if len(v.recipients) > 0 {
		ending = "age"
	}
	name = fmt.Sprintf("%s.%x.%s", base, sum, ending)
	if err := v.depot.write(ctx, manifestsDir+name+".chunks", chunkList(list)); err != nil {
		return "", err
	}
	return name, v.depot.write(ctx, manifestsDir+name, stored)
}

// manifests lists the backups, newest first: by height, since a clock may have been wrong,
// and at one height by time.
func (v *vault) manifests(ctx context.Context) ([]string, error) {
	all, err := v.depot.list(ctx, manifestsDir)
	if err != nil {
		return nil, fmt.Errorf("listing the backups: %w", err)
	}
	var names []string
	for _, name := range all {
		if name = path.Base(name); manifestName.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(heightIn(b)+b, heightIn(a)+a) })
	return names, nil
}

// heightIn is the HEIGHT of a manifest's name, TIME-HEIGHT, in which it has all its digits.
func heightIn(name string) string {
	whole := manifestName.FindStringSubmatch(name)[1]
	return whole[strings.LastIndexByte(whole, '-'):]
}

// chunkList writes the names of a backup's chunks, behind their SHA-256: what is missing
// in a damaged list would be removed though a backup needs it.
func chunkList(chunks []string) []byte {
	text := strings.Join(append(chunks, ""), "\n")
	return fmt.Appendf(nil, "%x\n%s", sha256.Sum256([]byte(text)), text)
}

// chunks reads the names of a backup's chunks. Lists of before had no SHA-256: of these
// at least every name is that of a chunk.
func (v *vault) chunks(ctx context.Context, name string) ([]string, error) {
	name = manifestsDir + name + ".chunks"
	b, err := v.depot.read(ctx, name, maxManifest)
	if err != nil {
		return nil, err
	}
	list := strings.Fields(string(b))
	if first, rest, _ := strings.Cut(string(b), "\n"); len(first) == 2*sha256.Size {
		if sum := sha256.Sum256([]byte(rest)); hex.EncodeToString(sum[:]) != first {
			list = nil
		} else {
			list = list[1:]
		}
	}
	if len(list) == 0 || slices.ContainsFunc(list, func(n string) bool { return !chunkName.MatchString(n) }) {
		return nil, fmt.Errorf("%s of %s is damaged: remove that backup (all files that begin with its name), or give no --keep", name, v.depot)
	}
	return list, nil
}

// keep removes all backups but the newest ones and the one just made, and the chunks that
// no other has.
func (v *vault) keep(ctx context.Context, newest int, made string) error {
	names, err := v.manifests(ctx)
	if err != nil {
		return err
	}
	// The one just made is the newest of its height, also beside others of its second.
	names = slices.DeleteFunc(names, func(n string) bool { return n == made })
	at := slices.IndexFunc(names, func(n string) bool { return heightIn(n) <= heightIn(made) })
	if at < 0 {
		at = len(names)
	}
	names = slices.Insert(names, at, made)
	old := slices.DeleteFunc(slices.Clone(names[min(newest, len(names)):]), func(n string) bool { return n == made })
	used := map[string]bool{}
	for _, name := range slices.DeleteFunc(names, func(n string) bool { return slices.Contains(old, n) }) {
		list, err := v.chunks(ctx, name)
		if err != nil {
			return fmt.Errorf("reading which chunks a backup has, so that nothing is removed: %w", err)
		}
		for _, chunk := range list {
			used[chunk] = true
		}
	}
	// Manifests first: a backup without all its chunks must not look like one.
	var manifests, lists, chunks []string
	for _, name := range old {
		manifests = append(manifests, manifestsDir+name)
		lists = append(lists, manifestsDir+name+".chunks")
	}
	for _, name := range v.have {
		if !used[name] {
			chunks = append(chunks, chunkPath(name))
		}
	}
	for _, gone := range [][]string{manifests, lists, chunks} {
		if err := v.depot.remove(ctx, gone...); err != nil {
			return fmt.Errorf("removing older backups: %w", err)
		}
	}
	return nil
}
