package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The generated code that is checked in is what its source generates.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	t.Chdir("../..")
	target := filepath.Join(t.TempDir(), "waybill.pb.go")
	if err := generate("waybill.proto", target); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("waybill.pb.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("schemas/waybill.pb.go is not what schemas/waybill.proto generates: run go generate ./schemas")
	}
}
