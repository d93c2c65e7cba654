package node

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// Key files may be encrypted with age. All of a home's are encrypted to one age
// identity: the one in keys/identity.age, which a passphrase opens (scrypt), or one
// in a file that the operator keeps elsewhere. So a start takes the work of one
// passphrase, however many keys there are, and a new passphrase rewrites one file.

// Where the setting unlock says that keys are unlocked from.
const (
	unlockPrompt   = "prompt"
	unlockFile     = "file:"
	unlockEnv      = "env:"
	unlockIdentity = "identity:"

	maxKeyFile = 64 << 10
	// maxScryptWork is the costliest passphrase that is tried: 1 GiB and some
	// seconds. An altered file must not make a node work for hours.
	maxScryptWork = 20
)

var errNoSource = errors.New(`the home's keys are encrypted: the setting unlock must say from where they are unlocked
  prompt           asks for the passphrase on the terminal
  file:PATH        a file, of mode 0600, with the passphrase
  env:NAME         an environment variable with the passphrase
  identity:PATH    a file, of mode 0600, with the age identity that they were encrypted to`)

// identityPath is the age identity that a passphrase opens.
func identityPath(home string) string { return filepath.Join(home, keysDir, "identity.age") }

// checkUnlock finds a setting unlock that names nothing.
func checkUnlock(unlock string) error {
	if unlock == "" || unlock == unlockPrompt {
		return nil
	}
	for _, kind := range []string{unlockFile, unlockEnv, unlockIdentity} {
		name, ok := strings.CutPrefix(unlock, kind)
		switch {
		case !ok || name == "":
		case kind != unlockEnv && !filepath.IsAbs(name):
			return fmt.Errorf("%q: write the whole path, the node may run elsewhere", unlock)
		default:
			return nil
		}
	}
	return fmt.Errorf("%q is none of prompt, file:PATH, env:NAME, identity:PATH", unlock)
}

// secrets reads a home's secret files, whether they are encrypted or not.
type secrets struct {
	home   string
	unlock string // the setting
	getenv func(string) string
	ids    []age.Identity // once an encrypted file was met
}

func (s *Settings) secrets() *secrets {
	return &secrets{home: s.Home, unlock: s.Unlock, getenv: s.Getenv}
}

// read reads a secret file, which others than its owner must not be able to read.
func (s *secrets) read(path string, decode func([]byte) error) error {
	return readSecret(path, func(b []byte) error {
		if !encryptedFile(b) {
			return decode(b)
		}
		ids, err := s.identities()
		if err != nil {
			return err
		}
		plain, err := decryptWith(b, ids)
		var other *age.NoIdentityMatchError
		if errors.As(err, &other) {
			return errors.New("it is encrypted to another identity than the one that unlocks this home: take the one that it was encrypted to, or restore the home's keys from one backup")
		}
		if err != nil {
			return fmt.Errorf("decrypting: %w", err)
		}
		return decode(plain)
	})
}

// encryptedFile reports whether a file's content is age's.
func encryptedFile(b []byte) bool {
	return bytes.HasPrefix(b, []byte(armor.Header)) || bytes.HasPrefix(b, []byte("age-encryption.org/"))
}

func decryptWith(b []byte, ids []age.Identity) ([]byte, error) {
	var from io.Reader = bytes.NewReader(b)
	if bytes.HasPrefix(b, []byte(armor.Header)) {
		from = armor.NewReader(from)
	}
	r, err := age.Decrypt(from, ids...)
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxKeyFile+1))
	if err == nil && len(plain) > maxKeyFile {
		err = fmt.Errorf("more than %d bytes are in it", maxKeyFile)
	}
	return plain, err
}

// encryptTo is content as an armored age file.
func encryptTo(content []byte, to ...age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, to...)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = errors.Join(w.Close(), a.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	return out.Bytes(), nil
}

// identities are what the home's keys are unlocked with. They are asked for once.
func (s *secrets) identities() ([]age.Identity, error) {
	if s.ids != nil {
		return s.ids, nil
	}
	if s.unlock == "" {
		return nil, errNoSource
	}
	if err := checkUnlock(s.unlock); err != nil {
		return nil, fmt.Errorf("setting unlock: %w", err)
	}
	var err error
	if path, ok := strings.CutPrefix(s.unlock, unlockIdentity); ok {
		err = readSecret(path, func(b []byte) (err error) {
			s.ids, err = age.ParseIdentities(bytes.NewReader(b))
			return err
		})
		return s.ids, err
	}
	passphrase, err := s.passphrase("Passphrase of the keys in " + s.home + ": ")
	if err != nil {
		return nil, err
	}
	s.ids, err = s.openIdentity(passphrase)
	return s.ids, err
}

// openIdentity opens the home's identity with a passphrase.
func (s *secrets) openIdentity(passphrase string) (ids []age.Identity, err error) {
	opener, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("taking the passphrase: %w", err)
	}
	opener.SetMaxWorkFactor(maxScryptWork)
	err = readSecret(identityPath(s.home), func(b []byte) error {
		plain, err := decryptWith(b, []age.Identity{opener})
		var wrong *age.NoIdentityMatchError
		if errors.As(err, &wrong) {
			return fmt.Errorf("the passphrase is wrong: correct what the setting unlock names (%s); without the passphrase the keys are lost, restore them from a backup or rotate them", s.unlock)
		}
		if err == nil {
			ids, err = age.ParseIdentities(bytes.NewReader(plain))
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: the keys are encrypted to an identity that is kept elsewhere (setting unlock, identity:PATH), or the file is lost: restore it from a backup", err)
	}
	return ids, err
}

// passphrase is what the setting unlock names, which never is an argument: other
// programs could read that.
func (s *secrets) passphrase(question string) (text string, err error) {
	switch {
	case s.unlock == unlockPrompt:
		text, err = askTerminal(question)
	case strings.HasPrefix(s.unlock, unlockFile):
		err = readSecret(strings.TrimPrefix(s.unlock, unlockFile), func(b []byte) error {
			text = strings.TrimRight(string(b), "\r\n")
			return nil
		})
	case strings.HasPrefix(s.unlock, unlockEnv):
		if s.getenv != nil {
			text = s.getenv(strings.TrimPrefix(s.unlock, unlockEnv))
		}
	default:
		return "", fmt.Errorf("setting unlock: %q names no passphrase: prompt, file:PATH and env:NAME do", s.unlock)
	}
	if err == nil && text == "" {
		err = fmt.Errorf("the passphrase that the setting unlock names (%s) is empty", s.unlock)
	}
	return text, err
}

// askTerminal asks on the terminal, which does not show what is typed.
func askTerminal(question string) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", fmt.Errorf("there is no terminal to ask on (%w): set unlock to file:PATH or env:NAME", err)
	}
	defer tty.Close()
	echo := func(mode string) error {
		cmd := exec.Command("stty", mode)
		cmd.Stdin = tty
		return cmd.Run()
	}
	if err := echo("-echo"); err != nil {
		return "", fmt.Errorf("keeping the terminal from showing the passphrase: %w", err)
	}
	defer func() { _ = echo("echo") }() // the answer is there; nothing better can be done
	fmt.Fprint(tty, question)
	line, err := bufio.NewReader(io.LimitReader(tty, 4096)).ReadString('\n')
	fmt.Fprintln(tty)
	if err != nil {
		return "", fmt.Errorf("reading from the terminal: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
