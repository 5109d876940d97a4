package main

import (
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
)

// link is a TCP proxy between a leaf node and the hub, which can be cut. A cut closes what is open, and what dials in
// afterwards is closed at once.
type link struct {
	listener net.Listener
	hub      string
	carried  atomic.Int64 // bytes
	refused  atomic.Int64 // attempts to connect while it was cut

	mu   sync.Mutex
	down bool
	open map[net.Conn]bool
}

func newLink(hub string) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{listener: listener, hub: hub, open: make(map[net.Conn]bool)}
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return // the script has ended
			}
			go l.carry(near)
		}
	}()
	return l, nil
}

func (l *link) carry(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", l.hub)
	if err != nil {
		return
	}
	defer far.Close()
	l.mu.Lock()
	if l.down {
		l.mu.Unlock()
		l.refused.Add(1)
		return
	}
	l.open[near], l.open[far] = true, true
	l.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(meter{way[0], &l.carried}, way[1])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	both.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, near)
	delete(l.open, far)
}

// set cuts the link or heals it.
func (l *link) set(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
	if down {
		for c := range l.open {
			_ = c.Close()
		}
	}
}

// meter counts what is written.
type meter struct {
	io.Writer
	total *atomic.Int64
}

func (m meter) Write(p []byte) (int, error) {
	n, err := m.Writer.Write(p)
	m.total.Add(int64(n))
	return n, err
}

// freePort returns an address that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func portOf(u *url.URL) int {
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return -1 // any
	}
	return port
}
