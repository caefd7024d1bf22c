package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// sshProgram reaches a server with the ssh of whoever runs this: with his keys, agent, known hosts and settings. Each exchange is a process. Callers serialise.
type sshProgram struct {
	address address
	service service
	o       Options
}

func (p *sshProgram) forget() {}
func (p *sshProgram) close()  {}

// command is what git would run. Nobody is asked for anything.
func (p *sshProgram) command(ctx context.Context) *exec.Cmd {
	host, port := p.address.host, ""
	if h, n, err := net.SplitHostPort(host); err == nil {
		host, port = h, n
	}
	args := []string{"-o", "BatchMode=yes", "-o", "SendEnv=GIT_PROTOCOL"}
	if port != "" {
		args = append(args, "-p", port)
	}
	args = append(args, "--", p.address.user+"@"+strings.Trim(host, "[]"), p.service.name+" '"+p.address.path+"'")
	// The program may have arguments of its own, as $GIT_SSH_COMMAND has it.
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", p.o.SSH + ` "$@"`, "ssh"}, args...)...)
	cmd.WaitDelay = 5 * time.Second
	if p.service == upload {
		cmd.Env = append(os.Environ(), "GIT_PROTOCOL=version=2")
	}
	return cmd
}

func (p *sshProgram) dial(ctx context.Context, _ Auth) (session, error) {
	s := &programSession{p: p, ctx: ctx, cmd: p.command(ctx)}
	s.cmd.Stderr = &s.errs
	var err error
	if s.in, err = s.cmd.StdinPipe(); err == nil {
		s.out, err = s.cmd.StdoutPipe()
	}
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("run ssh: %w", err)
	}
	if err := s.hear(p.o); err != nil {
		err = s.reason(err)
		s.close()
		return nil, err
	}
	return s, nil
}

// programSession is one run of the program.
type programSession struct {
	p     *sshProgram
	ctx   context.Context
	cmd   *exec.Cmd
	ended bool
	pipe
}

func (s *programSession) ask(_ context.Context, kind string, request []byte) (io.ReadCloser, error) {
	answer, err := s.send(s.p.o, kind, request)
	if err != nil {
		return nil, s.reason(err)
	}
	return answer, nil
}

// close ends the program.
func (s *programSession) close() {
	if s.ended {
		return
	}
	s.ended = true
	s.part()
	_ = s.in.Close()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// reason prefers what the program wrote to the mere end of its output.
func (s *programSession) reason(err error) error {
	host := s.p.address.host
	if s.ctx.Err() != nil {
		s.close()
		return fault.Newf(fault.Transient, "ask %s: no answer in time: %w", host, s.ctx.Err())
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return protocolError(err)
	}
	s.ended = true
	_ = s.in.Close()
	_ = s.cmd.Wait()
	said := s.errs.String()
	switch {
	case bytes.Contains(s.errs.b, []byte("Host key verification failed")):
		return fault.Newf(fault.Denied, "ask %s: your ssh does not know its key: connect to it once, or put what ssh-keyscan prints into ~/.ssh/known_hosts once you have compared it: %s", host, said)
	case bytes.Contains(s.errs.b, []byte("Permission denied")):
		return fault.Newf(fault.Denied, "ask %s: it does not accept the keys of your ssh and its agent, of which nobody is asked for a passphrase here: ssh-add, or $GIT_SSH_COMMAND, can name one: %s", host, said)
	case s.cmd.ProcessState.ExitCode() == 127: // of sh
		return fault.Newf(fault.Invalid, "ask %s: there is no ssh to run, or $GIT_SSH_COMMAND does not name it: %s", host, said)
	}
	return fault.Newf(fault.Denied, "ask %s: ssh ended: %s: check the address, and whether you may %s it", host, firstOf(said, "it gave no reason"), s.p.service.may)
}
