package gitserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// sshListener serves git-upload-pack and git-receive-pack over SSH, and nothing else.
type sshListener struct {
	server *Server
	config *ssh.ServerConfig
	noEnv  bool
	listen net.Listener
	addr   string
	ctx    context.Context
	stop   context.CancelFunc

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (s *Server) listenSSH(o *SSH) (*sshListener, error) {
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			switch {
			case is(key, o.Writer):
				return &ssh.Permissions{Extensions: map[string]string{mayPush: ""}}, nil
			case !is(key, o.Authorized):
				return nil, errors.New("this key is not authorized")
			case o.Writer == nil:
				return &ssh.Permissions{Extensions: map[string]string{mayPush: ""}}, nil
			}
			return &ssh.Permissions{}, nil
		},
	}
	config.AddHostKey(o.HostKey)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	sl := &sshListener{
		server: s, config: config, noEnv: o.NoEnv, listen: l, addr: l.Addr().String(), ctx: ctx, stop: stop,
		conns: map[net.Conn]bool{},
	}
	s.wg.Go(sl.accept)
	return sl, nil
}

// mayPush is what the server notes of a connection whose key may push.
const mayPush = "push"

func is(key, want ssh.PublicKey) bool {
	return want != nil && bytes.Equal(key.Marshal(), want.Marshal())
}

func (l *sshListener) close() {
	l.stop()
	_ = l.listen.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Close()
	}
}

func (l *sshListener) accept() {
	for {
		conn, err := l.listen.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		l.conns[conn] = true
		l.mu.Unlock()
		l.server.wg.Go(func() {
			l.handshake(conn)
			_ = conn.Close()
			l.mu.Lock()
			delete(l.conns, conn)
			l.mu.Unlock()
		})
	}
}

func (l *sshListener) handshake(conn net.Conn) {
	sc, channels, requests, err := ssh.NewServerConn(conn, l.config)
	if err != nil {
		return
	}
	defer func() { _ = sc.Close() }()
	go ssh.DiscardRequests(requests)
	for c := range channels {
		if c.ChannelType() != "session" {
			_ = c.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, in, err := c.Accept()
		if err != nil {
			return
		}
		_, push := sc.Permissions.Extensions[mayPush]
		l.server.wg.Go(func() { l.session(channel, in, push) })
	}
}

// session serves one channel: perhaps an environment variable, then one command.
func (l *sshListener) session(channel ssh.Channel, requests <-chan *ssh.Request, push bool) {
	defer func() { _ = channel.Close() }()
	var protocol string
	for req := range requests {
		switch req.Type {
		case "env":
			var pair struct{ Name, Value string }
			ok := !l.noEnv && ssh.Unmarshal(req.Payload, &pair) == nil && pair.Name == "GIT_PROTOCOL"
			if ok && !l.server.o.V0 {
				protocol = pair.Value
			}
			_ = req.Reply(ok, nil)
		case "exec":
			var line struct{ Text string }
			_ = req.Reply(ssh.Unmarshal(req.Payload, &line) == nil, nil)
			code := l.exec(channel, line.Text, protocol, push)
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{code}))
			return
		default:
			_ = req.Reply(false, nil)
		}
	}
}

// exec runs a command line such as: git-upload-pack '/shop.git'.
func (l *sshListener) exec(channel ssh.Channel, line, protocol string, mayPush bool) uint32 {
	service, path, _ := strings.Cut(line, " ")
	push := service == "git-receive-pack"
	if service != "git-upload-pack" && (!push || !l.server.o.Push) {
		_, _ = channel.Stderr().Write([]byte("only git-upload-pack is served here\n"))
		return 1
	}
	if push && !mayPush {
		_, _ = channel.Stderr().Write([]byte("ERROR: the key you are authenticating with has been marked as read only.\n"))
		return 1
	}
	repo, name, ok := l.server.find(strings.Trim(path, "'"))
	if !ok {
		_, _ = channel.Stderr().Write([]byte("ERROR: repository not found\n"))
		return 1
	}
	l.server.count("ssh")
	cmd := command(l.ctx, repo.Dir, strings.TrimPrefix(service, "git-"), repo.Dir)
	if protocol != "" {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+protocol)
	}
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	serve := func() error {
		// A pipe, not cmd.Stdin: Run would wait for the client to close its side.
		in, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(in, channel)
			_ = in.Close()
		}()
		return cmd.Wait()
	}
	var err error
	if push {
		err = l.server.pushing(l.ctx, repo, name, serve)
	} else {
		err = serve()
	}
	if err != nil {
		return 1
	}
	return 0
}
