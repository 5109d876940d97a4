package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is one change.
type mutant struct {
	id         int
	file       string // relative to the module
	line       int
	function   string
	old, new   string
	nth        int // among those of one function that read the same, from 1
	equivalent bool
}

func (m *mutant) where() string { return fmt.Sprintf("%s:%d", m.file, m.line) }

// String names the mutant whatever its line is.
func (m *mutant) String() string {
	s := fmt.Sprintf("%s %s: %s => %s", m.file, m.function, m.old, m.new)
	if m.nth > 1 {
		s += fmt.Sprintf(" #%d", m.nth)
	}
	return s
}

// insertion is text put before the byte at an offset of a file.
type insertion struct {
	at, rank int // of those at one place, the one with the lesser rank stands first
	text     string
	site     int
}

// site is a place in the code with the mutants there.
type site struct {
	file    *source
	mutants []*mutant
	dropped bool // the compiler did not take them
}

type source struct {
	path, name string
	text       []byte
	syntax     *ast.File
	insertions []insertion
}

type pkg struct {
	path    string // as the user wrote it
	dir     string
	module  string
	name    string
	files   []*source
	info    *types.Info
	types   *types.Package
	fset    *token.FileSet
	sites   []*site
	mutants []*mutant
}

// load reads a package and finds its mutants.
func load(path string) (*pkg, error) {
	out, err := run("go", "list", "-export", "-deps", "-json=Dir,ImportPath,Export,GoFiles,Module,DepOnly,Name", path)
	if err != nil {
		return nil, err
	}
	p := &pkg{path: path, fset: token.NewFileSet()}
	exports := make(map[string]string)
	importPath := ""
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l struct {
			Dir, ImportPath, Export, Name string
			GoFiles                       []string
			Module                        *struct{ Dir string }
			DepOnly                       bool
		}
		if err := d.Decode(&l); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		exports[l.ImportPath] = l.Export
		if l.DepOnly {
			continue
		}
		p.dir, p.name, p.module, importPath = l.Dir, l.Name, l.Module.Dir, l.ImportPath
		for _, name := range l.GoFiles {
			s := &source{path: filepath.Join(l.Dir, name)}
			if s.name, err = filepath.Rel(p.module, s.path); err != nil {
				return nil, err
			}
			if s.text, err = os.ReadFile(s.path); err != nil {
				return nil, err
			}
			if s.syntax, err = parser.ParseFile(p.fset, s.path, s.text, parser.ParseComments); err != nil {
				return nil, err
			}
			p.files = append(p.files, s)
		}
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	p.info = &types.Info{Types: make(map[ast.Expr]types.TypeAndValue), Defs: make(map[*ast.Ident]types.Object), Uses: make(map[*ast.Ident]types.Object)}
	syntax := make([]*ast.File, len(p.files))
	for i, s := range p.files {
		syntax[i] = s.syntax
	}
	config := types.Config{Importer: importer.ForCompiler(p.fset, "gc", lookup)}
	if p.types, err = config.Check(importPath, p.fset, syntax, p.info); err != nil {
		return nil, err
	}
	for _, s := range p.files {
		f := finder{pkg: p, source: s, imports: make(map[string]string)}
		for _, spec := range s.syntax.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			f.imports[path] = path[strings.LastIndexByte(path, '/')+1:]
			if path == "github.com/vmihailenco/msgpack/v5" {
				f.imports[path] = "msgpack"
			}
			if spec.Name != nil {
				f.imports[path] = spec.Name.Name
			}
		}
		for _, decl := range s.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
				f.function = nameOf(fn)
				f.results = p.info.Defs[fn.Name].Type().(*types.Signature).Results()
				f.block(fn.Body)
			}
		}
	}
	p.number()
	return p, nil
}

func (p *pkg) number() {
	times := make(map[string]int)
	for i, m := range p.mutants {
		m.id = i + 1
		times[m.String()]++
		m.nth = times[m.String()]
	}
}

// markEquivalent marks the mutants that are listed, and returns the lines for this package that name none.
func (p *pkg) markEquivalent(listed map[string]string) (stale []string) {
	names := make(map[string]bool)
	for _, m := range p.mutants {
		names[m.String()] = true
		_, m.equivalent = listed[m.String()]
	}
	for name := range listed {
		file, _, _ := strings.Cut(name, " ")
		if filepath.Join(p.module, filepath.Dir(file)) == p.dir && !names[name] {
			stale = append(stale, name)
		}
	}
	slices.Sort(stale)
	return stale
}

func nameOf(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	for {
		switch u := t.(type) {
		case *ast.StarExpr:
			t = u.X
		case *ast.IndexExpr:
			t = u.X
		case *ast.IndexListExpr:
			t = u.X
		default:
			return t.(*ast.Ident).Name + "." + fn.Name.Name
		}
	}
}

// finder walks over one function.
type finder struct {
	*pkg
	source   *source
	imports  map[string]string // path to the name in this file
	function string
	results  *types.Tuple
}

func (f *finder) offset(p token.Pos) int { return f.fset.Position(p).Offset }

func (f *finder) text(n ast.Node) string {
	return string(f.source.text[f.offset(n.Pos()):f.offset(n.End())])
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// typeName returns how a type is written in this file, "" if it can't be.
func (f *finder) typeName(t types.Type) string {
	ok := true
	name := types.TypeString(t, func(p *types.Package) string {
		if p == f.types {
			return ""
		}
		name, known := f.imports[p.Path()]
		ok = ok && known
		return name
	})
	name = strings.TrimPrefix(name, "untyped ")
	if !ok || strings.Contains(name, "untyped") || name == "nil" || name == "rune" && strings.Contains(t.String(), "untyped") {
		return ""
	}
	return name
}

type change struct{ new, code string } // how it reads, and what is compiled

// expr makes a site of an expression of a type.
func (f *finder) expr(e ast.Expr, t types.Type, old string, changes ...change) {
	name := f.typeName(t)
	if name == "" || len(changes) == 0 {
		return
	}
	s := &site{file: f.source}
	code := "func() " + name + " { "
	for _, c := range changes {
		m := f.mutant(s, e, old, c.new)
		code += fmt.Sprintf("if mutantOn(%d) { return %s }; ", m.id, c.code)
	}
	f.around(s, e, code+"return ", " }()")
}

// stmt makes a site of a statement: before and after are what is put around it, with the number of the mutant for %d.
func (f *finder) stmt(n ast.Stmt, new, before, after string) {
	s := &site{file: f.source}
	m := f.mutant(s, n, f.text(n), new)
	f.around(s, n, fmt.Sprintf(before, m.id), after)
}

func (f *finder) mutant(s *site, n ast.Node, old, new string) *mutant {
	m := &mutant{id: len(f.mutants) + 1, file: filepath.ToSlash(f.source.name), line: f.fset.Position(n.Pos()).Line,
		function: f.function, old: oneLine(old), new: oneLine(new)}
	f.pkg.mutants = append(f.pkg.mutants, m)
	s.mutants = append(s.mutants, m)
	return m
}

func (f *finder) around(s *site, n ast.Node, before, after string) {
	k := len(f.pkg.sites)
	f.pkg.sites = append(f.pkg.sites, s)
	from, to := f.offset(n.Pos()), f.offset(n.End())
	// Of two sites that begin at one place the one found first is outside.
	f.source.insertions = append(f.source.insertions, insertion{from, k + 1, before, k}, insertion{to, -k - 1, after, k})
}

// instrument returns the text of a file with all mutants that are left.
func (p *pkg) instrument(s *source) []byte {
	slices.SortStableFunc(s.insertions, func(a, b insertion) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank, b.rank)) })
	var out []byte
	done := 0
	for _, in := range s.insertions {
		if p.sites[in.site].dropped {
			continue
		}
		out = append(append(out, s.text[done:in.at]...), in.text...)
		done = in.at
	}
	return append(out, s.text[done:]...)
}

func (f *finder) block(b *ast.BlockStmt) {
	for _, s := range b.List {
		f.statement(s)
	}
}

const leftOut = "(left out)"

func (f *finder) statement(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.BlockStmt:
		f.block(s)
	case *ast.ExprStmt:
		if call, ok := s.X.(*ast.CallExpr); ok && isCallOf(call, "panic") {
			return
		}
		f.stmt(s, leftOut, "if !mutantOn(%d) { ", " }")
		f.walk(s.X)
	case *ast.IncDecStmt:
		other := map[token.Token]string{token.INC: "--", token.DEC: "++"}[s.Tok]
		f.stmt(s, f.text(s.X)+other, "if mutantOn(%d) { "+f.text(s.X)+other+" } else { ", " }")
	case *ast.AssignStmt:
		f.assign(s)
	case *ast.ReturnStmt:
		f.returns(s)
	case *ast.BranchStmt:
		if s.Label == nil && s.Tok != token.FALLTHROUGH {
			f.stmt(s, leftOut, "if !mutantOn(%d) { ", " }")
		}
	case *ast.IfStmt:
		f.simple(s.Init)
		f.condition(s.Cond)
		f.block(s.Body)
		if s.Else != nil {
			f.statement(s.Else)
		}
	case *ast.ForStmt:
		f.simple(s.Init)
		if s.Cond != nil {
			f.walk(s.Cond)
		}
		f.block(s.Body)
	case *ast.RangeStmt:
		f.block(s.Body)
	case *ast.SwitchStmt:
		f.simple(s.Init)
		f.cases(s.Body, s.Tag == nil)
	case *ast.TypeSwitchStmt:
		f.cases(s.Body, false)
	case *ast.LabeledStmt:
		switch s.Stmt.(type) {
		case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt:
			f.statement(s.Stmt)
		}
	case *ast.DeclStmt:
		if d := s.Decl.(*ast.GenDecl); d.Tok == token.VAR {
			for _, spec := range d.Specs {
				for _, v := range spec.(*ast.ValueSpec).Values {
					f.walk(v)
				}
			}
		}
	case *ast.DeferStmt:
		f.walk(s.Call)
	}
}

func (f *finder) cases(b *ast.BlockStmt, conditions bool) {
	for _, c := range b.List {
		c := c.(*ast.CaseClause)
		if conditions {
			for _, e := range c.List {
				f.condition(e)
			}
		}
		for _, s := range c.Body {
			f.statement(s)
		}
	}
}

// simple looks at the statement before a condition, which must stay where it is.
func (f *finder) simple(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		for _, e := range s.Rhs {
			f.walk(e)
		}
	case *ast.ExprStmt:
		f.walk(s.X)
	}
}

func (f *finder) condition(e ast.Expr) {
	if tv := f.info.Types[e]; tv.Value == nil {
		changes := []change{{"false", "false"}}
		if _, isOne := ast.Unparen(e).(*ast.BinaryExpr); !isOne {
			changes = append(changes, change{"true", "true"})
		}
		f.expr(e, types.Typ[types.Bool], "if "+f.text(e), changes...)
	}
	f.walk(e)
}

var arithmetic = map[token.Token]string{
	token.ADD: "-", token.SUB: "+", token.MUL: "/", token.QUO: "*", token.REM: "*", token.AND: "|", token.OR: "&", token.XOR: "&",
	token.SHL: ">>", token.SHR: "<<", token.AND_NOT: "&",
	token.ADD_ASSIGN: "-", token.SUB_ASSIGN: "+", token.MUL_ASSIGN: "/", token.QUO_ASSIGN: "*", token.OR_ASSIGN: "&", token.AND_ASSIGN: "|",
}

func (f *finder) assign(s *ast.AssignStmt) {
	if s.Tok != token.DEFINE && !isBlank(s.Lhs) {
		f.stmt(s, leftOut, "if !mutantOn(%d) { ", " }")
		if op := arithmetic[s.Tok]; op != "" && isNumber(f.info.TypeOf(s.Lhs[0])) {
			other := f.text(s.Lhs[0]) + " " + op + "= " + f.text(s.Rhs[0])
			f.stmt(s, other, "if mutantOn(%d) { "+other+" } else { ", " }")
		}
	}
	for _, e := range s.Rhs {
		f.walk(e)
	}
}

func isBlank(list []ast.Expr) bool {
	return !slices.ContainsFunc(list, func(e ast.Expr) bool { id, ok := e.(*ast.Ident); return !ok || id.Name != "_" })
}

func isNumber(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsNumeric != 0
}

func (f *finder) returns(s *ast.ReturnStmt) {
	if len(s.Results) == f.results.Len() {
		for i, e := range s.Results {
			t := f.results.At(i).Type()
			name := f.typeName(t)
			tv := f.info.Types[e]
			switch b, _ := t.Underlying().(*types.Basic); {
			case name == "" || tv.IsNil() || isZeroLiteral(e):
			case b != nil && b.Info()&types.IsBoolean != 0:
				f.expr(e, t, "return "+f.text(e), change{"!(" + f.text(e) + ")", "!(" + f.text(e) + ")"})
			case b != nil && b.Info()&types.IsInteger != 0 && tv.Value == nil:
				f.expr(e, t, "return "+f.text(e), change{f.text(e) + " + 1", f.text(e) + " + 1"})
			case b != nil && b.Info()&types.IsString != 0 && tv.Value != nil: // a text
			case tv.Value != nil:
			default:
				f.expr(e, t, "return "+f.text(e), change{"zero", "*new(" + name + ")"})
			}
		}
	}
	for _, e := range s.Results {
		f.walk(e)
	}
}

func isZeroLiteral(e ast.Expr) bool {
	lit, ok := e.(*ast.CompositeLit)
	return ok && len(lit.Elts) == 0
}

// makesText names the functions whose arguments are for a reader only.
var makesText = map[string]bool{"Errorf": true, "New": true, "fail": true, "Refuse": true, "quote": true, "Quote": true}

func isCallOf(c *ast.CallExpr, name string) bool {
	switch fn := c.Fun.(type) {
	case *ast.Ident:
		return fn.Name == name
	case *ast.SelectorExpr:
		return fn.Sel.Name == name
	}
	return false
}

func calls(c *ast.CallExpr, names map[string]bool) bool {
	for name := range names {
		if isCallOf(c, name) {
			return true
		}
	}
	return false
}

// walk looks for mutants in an expression.
func (f *finder) walk(e ast.Expr) {
	tv := f.info.Types[e]
	switch e := e.(type) {
	case *ast.ParenExpr:
		f.walk(e.X)
	case *ast.BasicLit:
		if e.Kind == token.INT && isNumber(tv.Type) {
			f.expr(e, tv.Type, e.Value, change{e.Value + " + 1", e.Value + " + 1"})
		}
	case *ast.Ident:
		if e.Name == "true" || e.Name == "false" {
			f.expr(e, tv.Type, e.Name, change{"!" + e.Name, "!" + e.Name})
		}
	case *ast.UnaryExpr:
		if e.Op == token.AND {
			if lit, ok := e.X.(*ast.CompositeLit); ok {
				f.walk(lit)
			}
			return
		}
		if tv.Value != nil {
			return
		}
		if e.Op == token.NOT {
			f.expr(e, tv.Type, f.text(e), change{f.text(e.X), f.text(e.X)})
		}
		f.walk(e.X)
	case *ast.BinaryExpr:
		f.binary(e, tv)
	case *ast.CallExpr:
		f.call(e)
	case *ast.CompositeLit:
		for _, elt := range e.Elts {
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				elt = kv.Value
			}
			f.walk(elt)
		}
	case *ast.IndexExpr:
		if f.info.Types[e.Index].IsValue() {
			f.walk(e.X)
			f.walk(e.Index)
		}
	case *ast.SliceExpr:
		f.walk(e.X)
		for _, i := range []ast.Expr{e.Low, e.High} {
			if i != nil {
				f.walk(i)
			}
		}
	case *ast.SelectorExpr:
		if f.info.Types[e.X].IsValue() {
			f.walk(e.X)
		}
	case *ast.StarExpr:
		f.walk(e.X)
	case *ast.TypeAssertExpr:
		f.walk(e.X)
	case *ast.FuncLit:
		outer := f.results
		f.results = tv.Type.(*types.Signature).Results()
		f.block(e.Body)
		f.results = outer
	}
}

func (f *finder) call(e *ast.CallExpr) {
	fun := f.info.Types[e.Fun]
	if isCallOf(e, "panic") || calls(e, makesText) && !fun.IsType() {
		return
	}
	if fun.IsType() && f.info.Types[e].Value != nil {
		return
	}
	switch fn := e.Fun.(type) {
	case *ast.SelectorExpr:
		if f.info.Types[fn.X].IsValue() {
			if _, isCall := fn.X.(*ast.CallExpr); isCall {
				f.walk(fn.X)
			}
		}
	case *ast.FuncLit:
		f.walk(fn)
	}
	args := e.Args
	if isCallOf(e, "make") && fun.IsBuiltin() {
		// How much room is made can't be seen.
		if _, isSlice := f.info.TypeOf(args[0]).Underlying().(*types.Slice); !isSlice || len(args) < 2 {
			return
		}
		args = args[1:2]
	}
	if isCallOf(e, "new") && fun.IsBuiltin() {
		return
	}
	for _, a := range args {
		f.walk(a)
	}
}

func (f *finder) binary(e *ast.BinaryExpr, tv types.TypeAndValue) {
	if tv.Value != nil {
		return
	}
	x, y := f.text(e.X), f.text(e.Y)
	with := func(op string) change { return change{x + " " + op + " " + y, "(" + x + ") " + op + " (" + y + ")"} }
	var changes []change
	switch e.Op {
	case token.EQL:
		changes = []change{with("!=")}
	case token.NEQ:
		changes = []change{with("==")}
	case token.LSS:
		changes = []change{with("<="), with(">=")}
	case token.LEQ:
		changes = []change{with("<"), with(">")}
	case token.GTR:
		changes = []change{with(">="), with("<=")}
	case token.GEQ:
		changes = []change{with(">"), with("<")}
	case token.LAND:
		changes = []change{with("||")}
	case token.LOR:
		changes = []change{with("&&")}
	default:
		if op := arithmetic[e.Op]; op != "" && isNumber(tv.Type) {
			changes = []change{with(op)}
		}
	}
	number, ok := e.Y.(*ast.BasicLit)
	if ok && number.Kind == token.INT && isNumber(f.info.TypeOf(e.Y)) {
		// The other way around, a comparison would only be moved by one again.
		one := map[token.Token]string{token.LSS: " - 1", token.GEQ: " - 1"}[e.Op]
		if one == "" {
			one = " + 1"
		}
		op := e.Op.String()
		changes = append(changes, change{x + " " + op + " " + y + one, "(" + x + ") " + op + " (" + y + one + ")"})
	}
	f.expr(e, tv.Type, f.text(e), changes...)
	f.walk(e.X)
	if !ok {
		f.walk(e.Y)
	}
}

func run(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, stderr.Bytes())
	}
	return out, nil
}
