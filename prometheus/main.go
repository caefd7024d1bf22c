package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: prometheus CONFIG DATA-DIR")
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	conf, err := config.LoadFile(args[0], false, log)
	if err != nil {
		return err
	}
	db, err := tsdb.Open(args[1], promslog.NewNopLogger(), prometheus.NewRegistry(), tsdb.DefaultOptions(), nil)
	if err != nil {
		return fmt.Errorf("open storage: %w", err)
	}
	defer func() { _ = db.Close() }()
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: log, MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
	})
	endScraping, err := startScraping(conf, db, log)
	if err != nil {
		return err
	}
	defer endScraping()
	manager := rules.NewManager(&rules.ManagerOptions{
		ExternalURL: &url.URL{}, QueryFunc: rules.EngineQueryFunc(engine, db), Context: ctx, Appendable: db, Queryable: db, Logger: log,
		Registerer: prometheus.NewRegistry(), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	})
	if err := loadRules(manager, conf); err != nil {
		return err
	}
	go manager.Run()
	defer manager.Stop()
	return serve(ctx, answers{engine, db, manager})
}

// startScraping scrapes the static targets of the configuration until the returned function is called.
func startScraping(conf *config.Config, db *tsdb.DB, log *slog.Logger) (end func(), err error) {
	m, err := scrape.NewManager(&scrape.Options{}, log, nil, db, nil, prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	if err := m.ApplyConfig(conf); err != nil {
		return nil, err
	}
	all := map[string][]*targetgroup.Group{}
	for _, c := range conf.ScrapeConfigs {
		for _, d := range c.ServiceDiscoveryConfigs {
			static, ok := d.(discovery.StaticConfig)
			if !ok {
				return nil, fmt.Errorf("job %s: only static_configs are known here", c.JobName)
			}
			all[c.JobName] = append(all[c.JobName], static...)
		}
	}
	targets := make(chan map[string][]*targetgroup.Group, 1)
	targets <- all
	go func() { _ = m.Run(targets) }()
	return m.Stop, nil
}

func loadRules(m *rules.Manager, conf *config.Config) error {
	var files []string
	for _, pattern := range conf.RuleFiles {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			return fmt.Errorf("rule_files: %s is no file: %w", pattern, err)
		}
		files = append(files, found...)
	}
	return m.Update(time.Duration(conf.GlobalConfig.EvaluationInterval), files, labels.EmptyLabels(), "", nil)
}

// serve answers on loopback until the context ends.
func serve(ctx context.Context, a answers) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: a.handler(), ReadHeaderTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		_ = s.Close()
	}()
	fmt.Printf("server: http://%s\n", l.Addr())
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
