package node

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	cmtjson "github.com/cometbft/cometbft/libs/json"
	"github.com/cometbft/cometbft/libs/protoio"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"

	"github.com/waybill-ledger/waybill/app/store"
	"github.com/waybill-ledger/waybill/schemas"
)

// checkSettings reads the settings; of wrong ones the defaults are taken.
func (c *checker) checkSettings() {
	s, err := LoadSettings(c.Home, c.options.Getenv)
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		c.fault(Fault{File: SettingsFile, Detail: err.Error()})
		s = DefaultSettings(c.Home)
	}
	s.Rules = c.options.Rules
	c.settings, c.secrets = s, s.secrets()
	c.Files++
}

// checkGenesis reads the genesis document. What it says is judged by the first
// header; here it is held to the one way in which it is written.
func (c *checker) checkGenesis() {
	c.Files++
	b, err := os.ReadFile(GenesisPath(c.Home))
	if err != nil {
		c.fault(Fault{File: genesisFile, Detail: err.Error()})
		return
	}
	doc, err := DecodeGenesis(b)
	if err != nil {
		c.fault(Fault{File: genesisFile, Detail: err.Error()})
		return
	}
	again, err := cmtjson.MarshalIndent(doc, "", "  ")
	if err != nil || !bytes.Equal(bytes.TrimSuffix(b, []byte("\n")), again) {
		c.fault(Fault{File: genesisFile, Detail: "it is not written as waybill genesis writes it: compare it with another partner's"})
	}
	c.genesis, c.ChainID = doc, doc.ChainID
}

// checkKeys finds keys that do not fit together. A backup may leave them out.
func (c *checker) checkKeys() {
	c.checkJSON(validatorKeyPath(c.Home), func(b []byte) error {
		var key privval.FilePVKey
		if err := cmtjson.Unmarshal(b, &key); err != nil {
			return err
		}
		if key.PrivKey == nil || !key.PrivKey.PubKey().Equals(key.PubKey) || !bytes.Equal(key.PubKey.Address(), key.Address) {
			return errors.New("private key, public key and address do not belong together")
		}
		if private := key.PrivKey.Bytes(); len(private) != ed25519.PrivateKeySize || !bytes.Equal(ed25519.NewKeyFromSeed(private[:32]), private) {
			return errors.New("its public half does not belong to the private one")
		}
		return canonical(b, key, true)
	})
	for _, path := range []string{nodeKeyPath(c.Home), machineKeyPath(c.Home)} {
		c.checkJSON(path, func(b []byte) error {
			var key p2p.NodeKey
			if err := cmtjson.Unmarshal(b, &key); err != nil {
				return err
			}
			if key.PrivKey == nil {
				return errors.New("no key in it")
			}
			private := key.PrivKey.Bytes()
			if len(private) != ed25519.PrivateKeySize || !bytes.Equal(ed25519.NewKeyFromSeed(private[:32]), private) {
				return errors.New("its public half does not belong to the private one")
			}
			if err := canonical(b, key, false); err != nil || path != nodeKeyPath(c.Home) {
				return err
			}
			return c.checkNodeID(string(key.ID()))
		})
	}
	c.checkJSON(partnerKeyPath(c.Home), func(b []byte) error {
		var own partnerKeyFile
		if err := json.Unmarshal(b, &own); err != nil {
			return err
		}
		if len(own.Seed) != ed25519.SeedSize || len(own.Duplicates) != 32 {
			return errors.New("key or duplicate secret has the wrong length")
		}
		public := ed25519.NewKeyFromSeed(own.Seed).Public().(ed25519.PublicKey)
		if !bytes.Equal(public, own.Public) || schemas.KeyID(public) != own.KeyID {
			return errors.New("seed, public key and key id do not belong together")
		}
		if err := own.checkSecret(); err != nil {
			return err
		}
		again, err := json.MarshalIndent(own, "", "  ")
		if err != nil || !bytes.Equal(b, again) {
			return errors.New("it is not written as waybill writes it")
		}
		return nil
	})
}

// canonical reports whether b is what writing v gives, to the byte.
func canonical(b []byte, v any, indent bool) error {
	again, err := cmtjson.Marshal(v)
	if indent {
		again, err = cmtjson.MarshalIndent(v, "", "  ")
	}
	if err != nil || !bytes.Equal(b, again) {
		return errors.New("it is not written as the engine writes it")
	}
	return nil
}

// checkNodeID compares the node's identity with what the network knows it by.
func (c *checker) checkNodeID(id string) error {
	if _, err := os.Stat(InvitePath(c.Home)); c.genesis == nil || err == nil {
		return nil // who joined later is not in it, or under another node
	}
	g, err := schemas.DecodeGenesis(c.genesis.AppState)
	if err != nil {
		return nil // told of the genesis document
	}
	for _, p := range g.Partners {
		if p.ID == c.settings.Partner && p.NodeID != "" && p.NodeID != id {
			return fmt.Errorf("it is of node %s, the genesis document knows %s by node %s", id, p.ID, p.NodeID)
		}
	}
	return nil
}

// checkJSON reads a file that decode judges. One that is missing, as it may be, is a note.
func (c *checker) checkJSON(path string, decode func([]byte) error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		c.note("%s is not there", c.name(path))
		return
	}
	c.Files++
	if err == nil && encryptedFile(b) {
		err = c.secrets.read(path, decode)
	} else if err == nil {
		err = decode(b)
	}
	if err != nil {
		c.fault(Fault{File: c.name(path), Detail: err.Error()})
	}
}

// checkDatabases reads every byte of the databases' files.
func (c *checker) checkDatabases() {
	gateway := ownPath(c.Home)
	dirs := []string{gateway, filepath.Join(c.Home, dataDir, "blockstore.db"),
		filepath.Join(c.Home, dataDir, "state.db"), filepath.Join(c.Home, dataDir, "evidence.db")}
	if c.settings.Backend == "pebbledb" {
		c.note("of the ledger's database in pebble the rows are compared, one by one; the bytes between them are not")
	} else {
		dirs = append(dirs, filepath.Join(LedgerPath(c.Home), store.DatabaseName(c.settings.Backend)))
	}
	for _, dir := range dirs {
		damages, err := store.CheckDatabase(dir)
		if errors.Is(err, fs.ErrNotExist) && dir == gateway && c.Height > 0 {
			c.fault(Fault{File: c.name(dir), Detail: "it is missing, and with it what was accepted and is not committed, jobs, subscriptions and API keys: start tells what can be done"})
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			c.note("%s is not there", c.name(dir))
			continue
		}
		if err != nil {
			c.fault(Fault{File: c.name(dir), Detail: err.Error()})
			continue
		}
		if files, err := os.ReadDir(dir); err == nil {
			c.Files += len(files)
		}
		for _, d := range damages {
			c.fault(Fault{File: c.name(filepath.Join(dir, d.File)), Offset: d.Offset, Detail: d.Err.Error()})
		}
	}
}

// maxLogRecord is what the engine allows one record of its write-ahead log to be.
const maxLogRecord = 1 << 20

// checkLog reads the consensus engine's write-ahead log: records of a checksum, a
// length and a message.
func (c *checker) checkLog() {
	files, err := filepath.Glob(filepath.Join(c.Home, dataDir, "consensus", "wal*"))
	if err != nil {
		return // of a malformed pattern, which this is not
	}
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	for _, path := range files {
		c.Files++
		b, err := os.ReadFile(path)
		if err != nil {
			c.fault(Fault{File: c.name(path), Detail: err.Error()})
			continue
		}
		for at := 0; at < len(b); {
			rest := b[at:]
			if len(rest) < 8 || binary.BigEndian.Uint32(rest[4:]) > maxLogRecord+1024 || int(binary.BigEndian.Uint32(rest[4:])) > len(rest)-8 {
				c.fault(Fault{File: c.name(path), Offset: int64(at), Detail: "a record of the write-ahead log is cut short: of a node that was killed, start and stop it once"})
				break
			}
			size := int(binary.BigEndian.Uint32(rest[4:]))
			if crc32.Checksum(rest[8:8+size], castagnoli) != binary.BigEndian.Uint32(rest) {
				c.fault(Fault{File: c.name(path), Offset: int64(at), Detail: "the checksum of a record of the write-ahead log differs: start and stop the node once, which takes it out of the file that the log grows in"})
				break
			}
			at += 8 + size
		}
	}
}

// checkSignState holds what the validator signed last to its own key, and to the votes
// that the engine has of it: none is of a later height.
func (c *checker) checkSignState() {
	if _, err := os.Stat(validatorKeyPath(c.Home)); err == nil {
		if _, err := os.Stat(signStatePath(c.Home)); errors.Is(err, fs.ErrNotExist) {
			c.fault(Fault{File: c.name(signStatePath(c.Home)), Detail: "it is missing: without it the validator might vote twice at one height, so that the node does not start; restore the home from a backup with --sign-after"})
			return
		}
	}
	c.checkJSON(signStatePath(c.Home), func(b []byte) error {
		var s privval.FilePVLastSignState
		if err := cmtjson.Unmarshal(b, &s); err != nil {
			return err
		}
		if err := canonical(b, s, true); err != nil {
			return err
		}
		var key privval.FilePVKey
		read := c.secrets.read(validatorKeyPath(c.Home), func(text []byte) error { return cmtjson.Unmarshal(text, &key) })
		known := read == nil && key.PubKey != nil // what is wrong with the key is told elsewhere
		if known && c.voted[key.PubKey.Address().String()] > s.Height {
			return staleSignState(s.Height, c.voted[key.PubKey.Address().String()])
		}
		if s.Step == 0 && s.Height == 0 && s.Round == 0 && len(s.SignBytes) == 0 && len(s.Signature) == 0 {
			return nil
		}
		if s.Round == math.MaxInt32 && s.Step == lastStep && len(s.SignBytes) == 0 && len(s.Signature) == 0 {
			c.note("the validator has not signed since the home was restored, or the network by a rescue; it does above height %d", s.Height)
			return nil
		}
		height, round, step, err := signedOf(s.SignBytes)
		if err != nil {
			return err
		}
		if height != s.Height || round != int64(s.Round) || step != s.Step {
			return fmt.Errorf("it says height %d, round %d, step %d, and has signed height %d, round %d, step %d", s.Height, s.Round, s.Step, height, round, step)
		}
		if known && !key.PubKey.VerifySignature(s.SignBytes, s.Signature) {
			return errors.New("its signature is not of this validator's key")
		}
		return nil
	})
}

// signedOf reads height, round and step from what a validator signed.
func signedOf(b []byte) (height, round int64, step int8, err error) {
	vote := &cmtproto.CanonicalVote{}
	if err := protoio.UnmarshalDelimited(b, vote); err == nil && vote.Type == cmtproto.PrevoteType {
		return vote.Height, vote.Round, 2, nil
	} else if err == nil && vote.Type == cmtproto.PrecommitType {
		return vote.Height, vote.Round, 3, nil
	}
	proposal := &cmtproto.CanonicalProposal{}
	if err := protoio.UnmarshalDelimited(b, proposal); err != nil || proposal.Type != cmtproto.ProposalType {
		return 0, 0, 0, errors.New("what was signed last is neither vote nor proposal")
	}
	return proposal.Height, proposal.Round, 1, nil
}
