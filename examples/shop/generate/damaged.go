package main

import "strings"

// damaged returns a few lines that are wrong, each in its way, among some that are right. The last one is torn.
func damaged() []byte {
	lines := []string{
		`{"key":"stock/sku-0001","field":"count","value":1,"op":"add","node":"eu-west","time":"2026-05-20T12:30:00.000001Z","id":"eu-west:90001","seen":[]}`,
		`{"key":"stock/sku-0001","field":"count","value":1e999999999,"op":"add","node":"eu-west","time":"2026-05-20T12:30:01Z"}`,
		`{"key":"stock/sku-0001","field":"count","value":NaN,"op":"add","node":"eu-west","time":"2026-05-20T12:30:02Z"}`,
		`{"key":"users/u-0001","field":"name","value":"Ada","node":"eu-west","ttl":3600}`,
		`{"key":"users/u-0001","field":"name","value":"Ada","node":"eu-west","node":"us-east"}`,
		`{"key":"users/u-0001","fields":{"name":"Ada","name":"Eve"},"node":"eu-west"}`,
		"{\"key\":\"users/u-0001\",\"field\":\"name\",\"value\":\"Jos\xe9\",\"node\":\"eu-west\"}",
		`{"key":"users/u-0001","field":"name","value":"Ada","node":"eu-west","time":"20.05.2026 12:30"}`,
		`{"key":"users/u-0001","field":"name","value":"Ada","node":"eu-west","time":1779280200000}`,
		`{"key":"users/u-0001","field":"name","value":"Ada","node":"eu-west","time":"2016-12-31T23:59:60Z"}`,
		`{"key":"users/u-0001","field":"name","value":"Ada","node":"eu-west","time":"9999-12-31T23:59:59Z"}`,
		`{"key":"users/u-0001","field":"name","value":"Ada"}`,
		`{"key":"users/u-0001","field":"name","value":"Ada","node":"eu-west","version":-1}`,
		`{"key":"users/u-0001","field":"name","value":"Ada","node":"eu-west","op":"upsert"}`,
		`{"key":"users/u-0001","field":"tags","value":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `,"node":"eu-west"}`,
		`key=users/u-0001 name=Ada`,
		`{"key":"stock/sku-0001","field":"count","value":-1,"op":"add","node":"us-east","time":"2026-05-20T12:30:00.000002Z","id":"us-east:90001","seen":[]}`,
		`{"key":"stock/sku-0001","field":"count","value":-1,"op":"add","node":"us-e`,
	}
	return []byte(strings.Join(lines, "\n"))
}
