package node_test

import (
	"bufio"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// smallS3 is as much of an S3-compatible store over a directory as a node asks: objects
// whole and in ranges, their listing and removal. It believes who asks.
type smallS3 string

func (dir smallS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := filepath.Join(string(dir), filepath.FromSlash(filepath.Clean("/"+r.URL.Path)))
	switch {
	case r.URL.Query().Has("list-type"):
		dir.list(w, r)
	case r.Method == http.MethodPut:
		if err := dir.put(path, r); err != nil {
			dir.refuse(w, http.StatusBadRequest, "IncompleteBody")
		}
	case r.Method == http.MethodDelete:
		_ = os.Remove(path) // one that is not there is gone
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		b, err := os.ReadFile(path)
		if err != nil {
			dir.refuse(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		w.Header().Set("ETag", fmt.Sprintf("%q", hex.EncodeToString(md5.New().Sum(nil))))
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Unix(1, 0), strings.NewReader(string(b)))
	default:
		dir.refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
}

func (smallS3) refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
}

func (dir smallS3) list(w http.ResponseWriter, r *http.Request) {
	type object struct {
		Key          string
		Size         int64
		LastModified string
	}
	var answer struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Contents []object
	}
	bucket := filepath.Join(string(dir), filepath.Clean("/"+r.URL.Path))
	_ = filepath.WalkDir(bucket, func(path string, d fs.DirEntry, err error) error { // what goes meanwhile is left out
		key, _ := filepath.Rel(bucket, path)
		if err == nil && !d.IsDir() && strings.HasPrefix(filepath.ToSlash(key), r.URL.Query().Get("prefix")) {
			answer.Contents = append(answer.Contents, object{Key: filepath.ToSlash(key), LastModified: "2026-01-01T00:00:00.000Z"})
		}
		return nil
	})
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(answer) // to who hung up nothing is said
}

// put keeps an object when all of it came.
func (smallS3) put(path string, r *http.Request) error {
	body := io.Reader(r.Body)
	if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		body = &chunked{from: bufio.NewReader(r.Body)}
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600))
}

// chunked reads a body that is signed by chunks: size in hexadecimal, ";", signature, the
// bytes, each ended by a line break; the last chunk is empty.
type chunked struct {
	from *bufio.Reader
	left int64
	end  bool
}

func (c *chunked) Read(b []byte) (int, error) {
	for c.left == 0 && !c.end {
		line, err := c.from.ReadString('\n')
		if err != nil {
			return 0, io.ErrUnexpectedEOF
		}
		size, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		if size == "" {
			continue // behind the chunk before
		}
		if c.left, err = strconv.ParseInt(size, 16, 64); err != nil {
			return 0, err
		}
		c.end = c.left == 0
	}
	if c.end {
		return 0, io.EOF
	}
	n, err := c.from.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
