package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
)

// Exit statuses.
const (
	exitFailed = 1 // the command was understood, and did not succeed
	exitUsage  = 2 // the command was not understood
)

// usageError is wrong use of the program.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// program is what every command shares.
type program struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string

	output string   // of --output
	nodes  []string // of --node
	guest  string   // partner of the link that --node is, "" where it is none
	keys   []string // of --key
}

// run is the program without the process around it: it answers the exit status.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer, getenv func(string) string) int {
	p := &program{in: in, out: out, err: errOut, getenv: getenv}
	root := p.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var wrong usageError
	if !errors.As(err, &wrong) {
		fmt.Fprintf(errOut, "waybill: %s\n", escape(err.Error()))
		if problem := client.Problem(err); problem != nil && problem.Hint != "" {
			fmt.Fprintf(errOut, "  %s\n", escape(problem.Hint))
		}
	} else {
		fmt.Fprintf(errOut, "waybill: %v\n", err)
		fmt.Fprintln(errOut, "waybill --help tells more")
		return exitUsage
	}
	return exitFailed
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "waybill",
		Short: "A ledger for goods that pass between organisations",
		Long: `Waybill is a permissioned ledger for goods that pass between organisations.
Partners run nodes that agree on one history of who held what, when and in
which condition. "waybill localnet --home DIR --demo" shows all of it.`,
		SilenceUsage: true, SilenceErrors: true,
		Args:              cobra.ArbitraryArgs, // a command that is not there is told below, as wrong use
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("no command %q", args[0])
			}
			return cmd.Help()
		},
	}
	root.SetHelpCommand(helpCommand())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().StringVarP(&p.output, "output", "o", "text", "how data is printed: text or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if p.output != "text" && p.output != "json" {
			return usage("--output %q is neither text nor json", p.output)
		}
		return nil
	}
	root.AddCommand(p.startCommand(), p.localnetCommand(), p.initCommand(), p.keyCommand(), p.genesisCommand(), p.inviteCommand(), p.joinCommand(), p.exportCommand(), p.historyCommand(), p.versionCommand(), p.moveCommand(), p.signerCommand(),
		p.statusCommand(), p.captureCommand(), p.importCommand(), p.eventsCommand(), p.fsmaCommand(),
		p.streamCommand(), p.webhookCommand(), p.subscribeCommand(), p.subscriptionsCommand(), p.unsubscribeCommand(),
		p.itemCommand(), p.trailCommand(), p.traceCommand(), p.idCommand(), p.hashCommand(),
		p.trustCommand(), p.bundleCommand(), p.renewCommand(), p.verifyCommand(), p.witnessCommand(), p.checkCommand(), p.rescueCommand(),
		p.backupCommand(), p.restoreCommand(), p.doctorCommand(), p.eraseCommand(), p.recallCommand(), p.shipmentCommand(), p.handoverCommand(), p.exceptionsCommand(), p.signCommand(), p.publishCommand(), p.unpublishCommand(), p.benchCommand(),
		p.proposeCommand(), p.voteCommand(), p.withdrawCommand(), p.proposalsCommand(), p.partnersCommand(), p.holdingsCommand(), p.keysCommand(), p.hostCommand(), p.leaveCommand())
	for _, cmd := range root.Commands() {
		if cmd.HasSubCommands() && !cmd.Runnable() { // cobra would print the help, and say that all is well
			cmd.Args, cmd.RunE = noCommand, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root
}

// helpCommand is cobra's, but that what is not there is wrong use.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Tell about a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				has := of.CommandPath() + " has no command " + strconv.Quote(strings.Join(rest, " "))
				if there := commandsOf(of); len(there) > 0 {
					has += ", but " + strings.Join(there, ", ")
				}
				return usage("%s", has)
			}
			return of.Help()
		},
	}
}

func commandsOf(of *cobra.Command) (names []string) {
	for _, c := range of.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// noCommand refuses, as wrong use, what a command of commands does not know.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s has no command %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// counted is a number of things in words.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// exactly, atMost and atLeast are cobra's checks of arguments as wrong use.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usage("expected %s, got %s", what, counted(len(args), "argument"))
		}
		return nil
	}
}

func atMostOne(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usage("expected %s, got %s", what, counted(len(args), "argument"))
		}
		return nil
	}
}

func atLeast(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < n {
			return usage("expected %s, got %s", what, counted(len(args), "argument"))
		}
		return nil
	}
}

// newestRules is the newest rules version that this program knows, where it is not
// schemas.RulesVersion: a test of upgrades builds such a one, with
// -ldflags "-X main.newestRules=2".
var newestRules string

func rules() uint32 {
	if n, err := strconv.ParseUint(newestRules, 10, 32); err == nil {
		return uint32(n)
	}
	return schemas.RulesVersion
}

// version is that of the module and commit that the program was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && v == "devel" {
			v += "-" + s.Value[:12]
		}
	}
	return v
}
