package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3 says how an S3-compatible store is reached.
type S3 struct {
	Endpoint    string // URL, https://HOST[:PORT]; "" is Amazon's
	Region      string // "" is us-east-1, which stores of one's own mostly accept
	Credentials string // file with the access keys, "" for the environment's
	Getenv      func(string) string
	secrets     *secrets // what decrypts the file, if the home's settings named it
}

// over takes what is not said from fallback.
func (s S3) over(fallback S3) S3 {
	for _, f := range []struct{ to, from *string }{{&s.Endpoint, &fallback.Endpoint}, {&s.Region, &fallback.Region}, {&s.Credentials, &fallback.Credentials}} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
	if s.secrets == nil {
		s.secrets = fallback.secrets
	}
	return s
}

const (
	bucketScheme   = "s3://"
	amazonEndpoint = "https://s3.amazonaws.com"
	defaultRegion  = "us-east-1"

	// bucketPatience bounds one question to the store, and bucketPace how slowly
	// content may come and go beyond it, in bytes a second.
	bucketPatience = 30 * time.Second
	bucketPace     = 256 << 10
	bucketTries    = 3
)

// bucket is a depot of an S3-compatible store.
type bucket struct {
	client *minio.Client
	bucket string
	prefix string // ends in a slash, or is empty
}

// credentialsFile is the file of access keys.
type credentialsFile struct {
	AccessKey    string `json:"access_key"`
	SecretKey    string `json:"secret_key"`
	SessionToken string `json:"session_token,omitempty"`
}

// keys reads the access keys: of the file, which others may not read, or of the
// variables that every program for such stores knows.
func (s S3) keys() (k credentialsFile, err error) {
	if s.Credentials != "" {
		from := s.secrets
		if from == nil {
			from = &secrets{}
		}
		err = from.read(s.Credentials, func(b []byte) error {
			d := json.NewDecoder(bytes.NewReader(b))
			d.DisallowUnknownFields()
			if err := d.Decode(&k); err != nil {
				return errors.New(`it is not {"access_key":"...","secret_key":"..."}`) // the decoder's own words could tell a secret
			}
			return nil
		})
	} else if s.Getenv != nil {
		k = credentialsFile{s.Getenv("AWS_ACCESS_KEY_ID"), s.Getenv("AWS_SECRET_ACCESS_KEY"), s.Getenv("AWS_SESSION_TOKEN")}
	}
	if err == nil && (k.AccessKey == "" || k.SecretKey == "") {
		err = errors.New("the store's access keys are missing: name a file of them (--s3-credentials), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	return k, err
}

// bucketName reads s3://BUCKET/PREFIX.
func bucketName(name string) (bucket, prefix string, err error) {
	bucket, prefix, _ = strings.Cut(strings.TrimPrefix(name, bucketScheme), "/")
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		if path.Clean(prefix) != prefix || strings.HasPrefix(prefix, "..") {
			return "", "", fmt.Errorf("%q is not s3://BUCKET/PREFIX", name)
		}
		prefix += "/"
	}
	if !strings.HasPrefix(name, bucketScheme) || bucket == "" {
		return "", "", fmt.Errorf("%q is not s3://BUCKET/PREFIX", name)
	}
	return bucket, prefix, nil
}

// openBucket makes a client. Nothing is asked of the store yet.
func openBucket(name string, access S3) (*bucket, error) {
	b := &bucket{}
	var err error
	if b.bucket, b.prefix, err = bucketName(name); err != nil {
		return nil, err
	}
	access = access.over(S3{Endpoint: amazonEndpoint, Region: defaultRegion})
	at, err := url.Parse(access.Endpoint)
	if err != nil || at.Scheme != "https" && at.Scheme != "http" || at.Host == "" || strings.Trim(at.Path, "/") != "" || at.User != nil || at.RawQuery != "" {
		return nil, fmt.Errorf("the store's endpoint must be https://HOST[:PORT] (http:// where nobody listens in), nothing else")
	}
	keys, err := access.keys()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = bucketPatience
	transport.DisableCompression = true
	b.client, err = minio.New(at.Host, &minio.Options{
		Creds: credentials.NewStaticV4(keys.AccessKey, keys.SecretKey, keys.SessionToken), Secure: at.Scheme == "https",
		Region: access.Region, Transport: transport, MaxRetries: bucketTries,
	})
	if err != nil {
		return nil, fmt.Errorf("reaching the store: %w", err)
	}
	return b, nil
}

func (b *bucket) String() string {
	return bucketScheme + b.bucket + "/" + strings.TrimSuffix(b.prefix, "/")
}

// claim keeps other backups of the home out: it is locked, and nobody else's
// backups go under the prefix, which a file there says.
func (b *bucket) claim(ctx context.Context, home, owner string) (release func() error, err error) {
	lock, err := lockPath(filepath.Join(home, SettingsFile))
	if err != nil {
		return nil, fmt.Errorf("another backup of %s is under way, or it cannot be locked: %w", home, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	if err = claimFor(ctx, b, lockFile, owner); err != nil {
		return nil, err
	}
	return lock.Close, nil
}

// within bounds a question about so many bytes.
func within(ctx context.Context, size int64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, bucketTries*(bucketPatience+time.Duration(size/bucketPace)*time.Second))
}

// fault is what the store answered, or that it did not.
func (b *bucket) fault(doing, name string, err error) error {
	if err == nil {
		return nil
	}
	answer := minio.ToErrorResponse(err)
	switch {
	case answer.StatusCode == http.StatusNotFound && answer.Code != "NoSuchBucket":
		err = fs.ErrNotExist
	case answer.StatusCode != 0:
		err = fmt.Errorf("the store answers %d %s: %w", answer.StatusCode, answer.Code, err)
	}
	return fmt.Errorf("%s %s of %s: %w", doing, name, b, err)
}

func (b *bucket) list(ctx context.Context, prefix string) (names []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listing, which else goes on
	for o := range b.client.ListObjects(ctx, b.bucket, minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, b.fault("listing", prefix+"*", o.Err)
		}
		if !strings.HasSuffix(o.Key, "/") { // what some stores make of directories
			names = append(names, strings.TrimPrefix(o.Key, b.prefix))
		}
	}
	return names, ctx.Err()
}

func (b *bucket) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	ctx, cancel := within(ctx, limit)
	defer cancel()
	o, err := b.client.GetObject(ctx, b.bucket, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.fault("reading", name, err)
	}
	defer o.Close()
	content, err := readLimited(o, name, limit)
	return content, b.fault("reading", name, err)
}

func (b *bucket) write(ctx context.Context, name string, content []byte) error {
	bounded, cancel := within(ctx, int64(len(content)))
	defer cancel()
	_, err := b.client.PutObject(bounded, b.bucket, b.prefix+name, bytes.NewReader(content), int64(len(content)),
		minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true, SendContentMd5: true})
	if err != nil {
		return b.fault("writing", name, err)
	}
	again, err := b.read(ctx, name, int64(len(content)))
	if err == nil && !bytes.Equal(again, content) {
		err = fmt.Errorf("writing %s of %s: what was written reads back otherwise: the store is failing", name, b)
	}
	return err
}

func (b *bucket) remove(ctx context.Context, names ...string) error {
	for _, name := range names {
		err := func() error {
			ctx, cancel := within(ctx, 0)
			defer cancel()
			return b.client.RemoveObject(ctx, b.bucket, b.prefix+name, minio.RemoveObjectOptions{})
		}()
		if err = b.fault("removing", name, err); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
