// Command crieur makes one announcement known everywhere a community listens.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // servers without zone files still know every zone

	"github.com/alecthomas/kong"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/web/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Environ(), streams{os.Stdin, os.Stdout, os.Stderr}))
}

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// Exit codes: done; failed; what was asked cannot be done as asked.
const (
	exitDone   = 0
	exitFailed = 1
	exitInput  = 2
)

// commands is the whole command line.
type commands struct {
	Serve       serveCmd       `cmd:"" help:"Run the server: the API, the feeds and the workers."`
	Demo        demoCmd        `cmd:"" help:"Show everything with simulated platforms; no accounts, no configuration."`
	Init        initCmd        `cmd:"" help:"Ask a few questions and write a configuration to start with."`
	Announce    announceCmd    `cmd:"" help:"Announce what a file says, on every channel."`
	Status      statusCmd      `cmd:"" help:"Tell how announcements stand."`
	Amend       amendCmd       `cmd:"" help:"Change an announcement everywhere."`
	Cancel      cancelCmd      `cmd:"" help:"Call an announced event off, and say so everywhere."`
	Postpone    postponeCmd    `cmd:"" help:"Put an announced event off, and say so everywhere."`
	Retract     retractCmd     `cmd:"" help:"Take an announcement back everywhere, without a word."`
	Rehearse    rehearseCmd    `cmd:"" help:"Look whether a scheduled announcement will leave well; nothing is published."`
	Release     releaseCmd     `cmd:"" help:"Publish now what is held because its time came while no server ran."`
	Settle      settleCmd      `cmd:"" help:"Say what you saw of a delivery that waits for a person."`
	Proof       proofCmd       `cmd:"" help:"Prove, signed, where an announcement appeared and who decided it."`
	Stop        stopCmd        `cmd:"" help:"Stop all publishing at once, and list what already left."`
	Resume      resumeCmd      `cmd:"" help:"Publish again after a stop, or on a channel whose fault was mended."`
	Subscribers subscribersCmd `cmd:"" help:"Manage who is told: the mailing list and its like."`
	Bounce      bounceCmd      `cmd:"" help:"Read a mail that came back, from a mail server's pipe."`
	Digest      digestCmd      `cmd:"" help:"Manage digests: what is gathered for whoever does not want each announcement by itself."`
	Topics      topicsCmd      `cmd:"" help:"Manage what people can choose to hear about."`
	Links       linksCmd       `cmd:"" help:"Manage the keys of the links that people get."`
	Token       tokenCmd       `cmd:"" help:"Manage the tokens of the API."`
	Webpush     webpushCmd     `cmd:"" help:"Make keys for notifications in browsers."`
	Tasks       tasksCmd       `cmd:"" help:"List what waits for a person, or show one task with the text to post."`
	Unknown     unknownCmd     `cmd:"" help:"List the messages to people of which nobody knows whether they arrived."`
	Channels    channelsCmd    `cmd:"" help:"List the channels: what each can do, and how it is."`
	Doctor      doctorCmd      `cmd:"" help:"Look at every account without changing anything, and say what to do."`
	Bench       benchCmd       `cmd:"" help:"Measure this machine with simulated platforms."`
	Env         envCmd         `cmd:"" help:"Print every variable that can be set."`
	Completion  completionCmd  `cmd:"" help:"Print a completion script for your shell."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// session is what every command runs with.
type session struct {
	streams
	environ map[string]string
	model   *kong.Application
}

// run is the program: it reads args and environ, writes to std, and returns the exit code.
func run(ctx context.Context, args, environ []string, std streams) int {
	vars, err := environment(environ)
	if err != nil {
		fmt.Fprintln(std.err, "crieur:", err)
		return exitInput
	}
	left := -1
	parser, err := kong.New(&commands{},
		kong.Name("crieur"),
		kong.Description("Crieur carries one announcement to every channel where a community listens, exactly once.\n\nTry it: crieur demo. Set it up: crieur init."),
		kong.Writers(std.out, std.err), kong.Exit(func(code int) { left = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		panic(err) // the command line itself is malformed; every test sees it
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if left >= 0 { // --help was answered
		return left
	}
	if err != nil {
		help := "crieur"
		var fault *kong.ParseError
		if errors.As(err, &fault) && fault.Context.Selected() != nil {
			help = fault.Context.Selected().FullPath()
		}
		fmt.Fprintf(std.err, "crieur: %v\nSee: %s --help\n", err, help)
		return exitInput
	}
	err = command.Run(ctx, &session{std, vars, parser.Model})
	return explain(std.err, err)
}

// explain prints an error for the person who reads it and returns the exit code.
func explain(w io.Writer, err error) int {
	var problem *client.Problem
	var faults announce.Faults
	var config *configError
	var input *inputError
	var code exitCode
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &config):
		fmt.Fprintf(w, "crieur: the configuration needs work:\n  %s\nEvery variable is explained by: crieur env\n", strings.ReplaceAll(config.Error(), "\n", "\n  "))
		return exitInput
	case errors.As(err, &faults), errors.As(err, &input):
		fmt.Fprintln(w, "crieur:", err)
		return exitInput
	case errors.As(err, &problem) && problem.Status < http.StatusInternalServerError:
		fmt.Fprintln(w, "crieur:", err)
		return exitInput
	}
	fmt.Fprintln(w, "crieur:", err)
	return exitFailed
}

// inputError is a mistake in what was typed.
type inputError struct{ error }

func (e *inputError) Unwrap() error { return e.error }

func badInput(format string, a ...any) error { return &inputError{fmt.Errorf(format, a...)} }

// exitCode ends the program with a code after the command itself said everything.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// version is the module's version and the commit it was built from.
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
		if s.Key == "vcs.revision" && !strings.Contains(v, s.Value[:min(12, len(s.Value))]) {
			v += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}

type versionCmd struct{}

func (versionCmd) Help() string {
	return "Example:\n  crieur version"
}

func (versionCmd) Run(s *session) error {
	_, err := fmt.Fprintln(s.out, "crieur", version())
	return err
}
