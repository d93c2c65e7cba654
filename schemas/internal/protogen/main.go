// Protogen generates schemas/waybill.pb.go from schemas/waybill.proto: a
// compiler and the official Go generator in one program, so that generating
// needs nothing but the Go toolchain. It is a tool of the module: go generate
// ./schemas runs it as go tool protogen.
package main

import (
	"context"
	"log"
	"os"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: protogen FILE.proto FILE.pb.go")
	}
	if err := generate(os.Args[1], os.Args[2]); err != nil {
		log.Fatal("generating ", os.Args[2], ": ", err)
	}
}

func generate(source, target string) error {
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{}, SourceInfoMode: protocompile.SourceInfoStandard}
	files, err := compiler.Compile(context.Background(), source)
	if err != nil {
		return err
	}
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{source},
		Parameter:      proto.String("paths=source_relative"),
		ProtoFile:      []*descriptorpb.FileDescriptorProto{protoutil.ProtoFromFileDescriptor(files[0])},
	}
	plugin, err := protogen.Options{}.New(request)
	if err != nil {
		return err
	}
	internal_gengo.GenerateFile(plugin, plugin.Files[0])
	return os.WriteFile(target, []byte(plugin.Response().File[0].GetContent()), 0o644)
}
