package nqtest

import "strings"

// The words of invented pages, by topic.
var words = func() (topics [][]string) {
	for _, t := range []string{
		"lighthouse keeper lamp reef harbour fog bell tide rock storm beacon lens cliff vessel signal",
		"orchard apple graft blossom cider press harvest ladder basket frost bee branch cellar variety pruning",
		"railway signal junction gauge engine timetable platform viaduct tunnel freight porter sleeper coupling",
		"clock pendulum escapement gear spring dial tower hour chime maker brass repair minute striking",
		"glacier valley moraine ice crevasse melt ridge summit hut rope survey lake boulder avalanche",
		"printing type press ink paper folio binder engraving proof apprentice edition margin guild letter",
		"observatory telescope mirror comet orbit dome catalogue eclipse astronomer plate spectrum star night",
		"pottery kiln glaze clay wheel bowl shard firing ash vessel workshop slip handle stamp",
	} {
		topics = append(topics, strings.Fields(t))
	}
	return topics
}()

var common = strings.Fields("the of and in to a was is for on as by with at from that it his were are an which this be or first has had not but also its their one two after new been who they all when over years into more where during most time other only some would there between city first part known , , , . . ; ( ) -- '' ``")

var rare = strings.Fields("café São Ångström naïve — ½ &amp; &lt;p&gt; x<y 日本 a\u180eb \U0001D11E \"quoted\" back\\slash 3.14 U.S.")
