package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/tiebreakhq/tiebreak/clock"
)

// errGone is the error of a command that was under way when the process died: whether it was carried out, nobody knows.
var errGone = errors.New("the process is gone")

// process is a region as the script sees it: this binary, run once more.
type process struct {
	node clock.Node
	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{} // closed when nothing more comes from it

	mu   sync.Mutex
	last int
	wait map[int]chan reply
}

func startProcess(node clock.Node, dir, hub string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{node: node, cmd: exec.Command(self), done: make(chan struct{}), wait: make(map[int]chan reply)}
	p.cmd.Env = append(os.Environ(), "REGION="+string(node), "REGION_DIR="+filepath.Join(dir, string(node)), "REGION_HUB="+hub)
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan reply, 1)
	p.wait[0] = ready
	go p.listen(out)
	select {
	case <-ready:
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("%s does not start: %w", node, p.cmd.Wait())
	}
}

func (p *process) listen(out io.Reader) {
	defer close(p.done)
	answers := json.NewDecoder(bufio.NewReader(out))
	for {
		var r reply
		if answers.Decode(&r) != nil {
			return // it has ended, perhaps in the middle of an answer
		}
		p.mu.Lock()
		to := p.wait[r.ID]
		delete(p.wait, r.ID)
		p.mu.Unlock()
		to <- r
	}
}

// do has the region carry out a command and waits for the answer.
func (p *process) do(c command) (reply, error) {
	to := make(chan reply, 1)
	p.mu.Lock()
	p.last++
	c.ID = p.last
	p.wait[c.ID] = to
	line, err := json.Marshal(c)
	if err == nil {
		_, err = p.in.Write(append(line, '\n'))
	}
	p.mu.Unlock()
	if err != nil {
		return reply{}, fmt.Errorf("%s: %w: %w", p.node, errGone, err)
	}
	select {
	case r := <-to:
		return r.check(p.node)
	case <-p.done:
	}
	select {
	case r := <-to: // the last thing it said
		return r.check(p.node)
	default:
		return reply{}, fmt.Errorf("%s: %w", p.node, errGone)
	}
}

func (r reply) check(node clock.Node) (reply, error) {
	if r.Error != "" {
		return r, fmt.Errorf("%s: %s", node, r.Error)
	}
	return r, nil
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
	_ = p.cmd.Wait() // its error says that it was killed
}

// stop ends the process in good order.
func (p *process) stop() error {
	_ = p.in.Close()
	<-p.done
	return p.cmd.Wait()
}
