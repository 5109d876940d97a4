package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

const (
	numCustomers = 5000
	numVisits    = 9300
	numGoods     = 400
	numAccounts  = 200
)

// visitsByHour is the load of each region, in parts of the whole: people shop at lunch and in the evening of their own
// time.
var visitsByHour = [3][24]int{
	apSouth: {1, 1, 2, 4, 6, 8, 10, 11, 10, 8, 7, 8, 10, 13, 14, 13, 10, 7, 4, 2, 1, 1, 1, 1},
	euWest:  {2, 1, 1, 1, 2, 4, 8, 12, 15, 17, 20, 27, 34, 24, 17, 15, 16, 19, 24, 26, 22, 15, 9, 4},
	usEast:  {20, 18, 13, 9, 5, 3, 2, 2, 2, 3, 5, 8, 11, 13, 14, 16, 21, 24, 20, 15, 14, 15, 17, 20},
}

// shop is the world with customers in it.
type shop struct {
	*world
	customers [3][]*customer
	weights   []int // of goods, added up: a few are wanted by many
	orders    int
	tickets   int
	inCut     [numAccounts][numSites]bool // who wrote which account during the cut
}

// order is one order on its way.
type order struct {
	number    int
	customer  *customer
	total     int // in cents
	warehouse int // region
}

// run lets the day pass.
func run() *world {
	s := &shop{world: newWorld()}
	s.arrived = s.react
	for i := range numCustomers {
		c := s.customer(i + 1)
		s.customers[c.home] = append(s.customers[c.home], c)
	}
	sum := 0
	for i := range numGoods {
		sum += 1_000_000 / (i + 12)
		s.weights = append(s.weights, sum)
	}
	s.stockUp()
	s.opens()
	s.accidents()
	s.run()
	return s.world
}

// stockUp says at midnight what is in store. There was nothing before, as far as this history goes.
func (s *shop) stockUp() {
	s.at(0, func() {
		for i := range numGoods {
			count := history.Field{Name: "count", Value: value.Int(int64(200 + 10*s.rng.IntN(80))), Before: value.Null}
			s.write(s.sites[usEast], set(goods(i), count), true)
		}
	})
}

func goods(i int) string { return "stock/" + sku(i) }
func sku(i int) string   { return fmt.Sprintf("sku-%04d", i+1) }

// opens plans the visits of the day.
func (s *shop) opens() {
	sum := 0
	for _, hours := range visitsByHour {
		for _, n := range hours {
			sum += n
		}
	}
	for region, hours := range visitsByHour {
		for hour, n := range hours {
			for range numVisits * n / sum {
				t := time.Duration(hour)*time.Hour + s.between(0, time.Hour)
				c := s.customers[region][s.frequent(len(s.customers[region]))]
				s.at(t, func() { s.visit(c) })
			}
		}
	}
}

// frequent returns a number below n, lower ones more often: some customers come twice a day.
func (s *shop) frequent(n int) int { return min(s.rng.IntN(n), s.rng.IntN(n)) }

// visit is one customer in the shop.
type visit struct {
	*shop
	*customer
	basket []int
	left   int // steps
	moved  bool
	both   int // a second region the customer is in, by a phone or another window
}

func (s *shop) visit(c *customer) {
	v := &visit{shop: s, customer: c, left: 2 + s.rng.IntN(6), both: c.home}
	switch {
	case c.home == euWest && s.now >= cutFrom-time.Minute && s.now < cutTo:
		lot := s.rng.IntN(10)
		v.moved = lot < 3 // the site does not answer: some are sent to the other side
		if lot >= 5 {     // and some are on both
			v.both = usEast
		}
	case s.chance(3):
		v.both = (c.home + 1) % 3
	}
	if c.newcomer {
		c.newcomer = false
		v.put(set("users/"+c.id, text("email", c.email), text("name", c.name), text("since", "2026-05-20")))
	}
	v.put(set("users/"+c.id, text("last_login", s.clockText())))
	s.after(2*time.Second, 40*time.Second, v.step)
}

func text(field, v string) history.Field { return history.Field{Name: field, Value: value.Text(v)} }

func (s *shop) clockText() string { return midnight.Add(s.now).Format("15:04:05") }

// here returns the site that serves the customer.
func (v *visit) here() *site {
	switch {
	case v.moved:
		return v.sites[usEast]
	case v.both != v.home && v.chance(45):
		return v.sites[v.both]
	}
	return v.sites[v.home]
}

// put makes a write where the customer is.
func (v *visit) put(w *write) { v.write(v.here(), w, !v.oldApp) }

// step is one thing that a customer does.
func (v *visit) step() {
	if v.left--; v.left < 0 {
		v.leave()
		return
	}
	items := history.Field{Name: "items"}
	switch lot := v.rng.IntN(100); {
	case lot < 70:
		i := v.wanted()
		v.basket = append(v.basket, i)
		items.Value = value.Text(sku(i))
		v.put(change("cart/"+v.id, merge.Insert, items))
	case lot < 84 && len(v.basket) > 0:
		at := v.rng.IntN(len(v.basket))
		items.Value = value.Text(sku(v.basket[at]))
		v.basket = slices.Delete(v.basket, at, at+1)
		v.put(change("cart/"+v.id, merge.Remove, items))
	case lot < 90:
		v.move()
	case lot < 93:
		v.versioned("profile/"+v.id, text("phone", fmt.Sprintf("555-%04d", v.rng.IntN(10000))))
	case lot < 96:
		v.put(change("trophy/"+v.id, merge.Insert, text("earned", v.pick(trophies))))
	case lot < 98:
		v.complain()
	}
	v.after(time.Second, 50*time.Second, v.step)
}

func (v *visit) wanted() int {
	lot := v.rng.IntN(v.weights[numGoods-1])
	i, _ := slices.BinarySearch(v.weights, lot+1)
	return i
}

// move writes a new address: three fields that belong together.
func (v *visit) move() {
	v.versioned("profile/"+v.id, text("street", v.street()), text("city", v.pick(cities[v.home])), text("zip", v.zip()))
}

// versioned writes a row that counts its versions, as optimistic locking does.
func (v *visit) versioned(key string, fields ...history.Field) {
	here := v.here()
	v.write(here, version(set(key, fields...), here), !v.oldApp)
}

// version makes w the next version of what its site shows.
func version(w *write, at *site) *write {
	w.rec.Base, w.rec.HasBase = at.rows[w.rec.Key].version, true
	w.rec.Version = w.rec.Base + 1
	return w
}

// leave ends a visit, by an order or without.
func (v *visit) leave() {
	if len(v.basket) > 0 && v.chance(56) {
		v.checkout()
	}
}

// checkout is one transaction: the order, the stock, the cart and the points of the customer.
func (v *visit) checkout() {
	here := v.here()
	o := v.newOrder(v.customer)
	tx := fmt.Sprintf("checkout-%d", o.number)
	put := func(w *write) {
		w.rec.Tx = tx
		v.write(here, w, !v.oldApp)
	}
	for _, i := range v.basket[:min(len(v.basket), 4)] {
		o.total += 500 + 37*i%4500
	}
	day := 21 + v.rng.IntN(5)
	w := set(o.key(), text("customer", o.customer.id), history.Field{Name: "total", Value: value.Int(int64(o.total))}, text("status", "placed"),
		text("start", fmt.Sprintf("2026-05-%d 09:00", day)), text("end", fmt.Sprintf("2026-05-%d 12:00", day)))
	w.order, w.step = o, "placed"
	put(w)
	for _, i := range v.basket[:min(len(v.basket), 4)] {
		sold := history.Field{Name: "count", Value: value.Int(int64(-1 - v.rng.IntN(4)/3))}
		put(change(goods(i), merge.Add, sold))
	}
	put(change("cart/"+v.id, merge.Delete))
	put(v.balance(here, "points/"+v.id, "balance", o.total/100))
	if v.chance(4) { // and thinks better of it, sometimes before the parcel is packed
		v.after(50*time.Millisecond, 800*time.Millisecond, func() { v.write(here, o.to("cancelled"), !v.oldApp) })
	}
}

// balance raises a number by reading and writing it: the record says what it was.
func (s *shop) balance(at *site, key, field string, by int) *write {
	old, known := at.rows[key]
	f := history.Field{Name: field, Value: value.Int(int64(old.number + by)), Before: value.Null}
	if known {
		f.Before = value.Int(int64(old.number))
	}
	w := set(key, f)
	w.row.number = old.number + by
	return w
}

func (s *shop) newOrder(c *customer) *order {
	s.orders++
	return &order{number: 10000 + s.orders, customer: c, warehouse: s.rng.IntN(3)}
}

func (o *order) key() string { return fmt.Sprintf("orders/%d", o.number) }

// to returns the write that takes an order to its next step.
func (o *order) to(step string) *write {
	w := set(o.key(), text("status", step))
	w.order, w.step = o, step
	return w
}

// react is what services do when a step of an order arrives at their site.
func (s *shop) react(at *site, w *write) {
	switch {
	case w.step == "placed" && at.index == s.payer(w):
		s.after(30*time.Millisecond, 60*time.Millisecond, func() { s.pay(at, w.order) })
	case w.step == "paid" && at.index == w.order.warehouse:
		if s.chance(40) { // by a robot, at once
			s.after(20*time.Millisecond, 60*time.Millisecond, func() { s.pack(at, w.order) })
		} else {
			s.after(10*time.Minute, 90*time.Minute, func() { s.pack(at, w.order) })
		}
	}
}

// payer returns the site that takes the money for an order: us-east, but for orders of eu-west while it is cut off, once
// somebody there has started the standby.
func (s *shop) payer(w *write) int {
	if w.by.index == euWest && w.at >= cutFrom+3*time.Minute && w.at < cutTo {
		return euWest
	}
	return usEast
}

// pay books an order. Accounts that both sides wrote during the cut are frozen when it ends, until somebody has looked.
func (s *shop) pay(at *site, o *order) {
	s.write(at, o.to("paid"), true)
	account := s.rng.IntN(numAccounts)
	for s.now >= cutTo && s.inCut[account][euWest] && s.inCut[account][usEast] {
		account = (account + 1) % numAccounts
	}
	if s.now >= cutFrom && s.now < cutTo {
		s.inCut[account][at.index] = true
	}
	s.write(at, s.balance(at, fmt.Sprintf("ledger/acct-%03d", account), "balance", o.total), true)
}

func (s *shop) pack(at *site, o *order) {
	s.write(at, o.to("packed"), true)
	if at.index == apSouth && s.chance(30) { // the scales hang on the old system
		s.after(time.Second, time.Minute, func() {
			weight := history.Field{Name: "weight", Value: value.Value(fmt.Sprintf("%d.%d", 1+s.rng.IntN(9), s.rng.IntN(10)))}
			s.write(s.sites[legacy], set(o.key(), weight), false)
		})
	}
	s.after(time.Hour, 4*time.Hour, func() { s.write(at, o.to("shipped"), true) })
}

// complain opens a ticket. Support follows the sun.
func (v *visit) complain() {
	v.tickets++
	key := fmt.Sprintf("ticket/%d", 700+v.tickets)
	here := v.here()
	v.write(here, version(set(key, text("customer", v.id), text("subject", v.pick(subjects)), text("status", "new")), here), !v.oldApp)
	desk := v.sites[v.rng.IntN(3)]
	handle := func(status string) func() {
		return func() {
			if _, arrived := desk.rows[key]; arrived {
				v.write(desk, version(set(key, text("status", status)), desk), true)
			}
		}
	}
	v.after(4*time.Minute, 40*time.Minute, handle("open"))
	v.after(41*time.Minute, 3*time.Hour, handle("closed"))
}
