# SPDX-License-Identifier: Apache-2.0
# Turns a catalogue, as msgattrib prints it, into a table in C. A string of a .po file is a string of
# C with the same escapes, so that they are copied as they stand.
# Usage: msgattrib … fr.po | awk -v language=fr -f catalogue.awk
BEGIN {
    print "/* Made from po/" language ".po. */"
    print "#include \"base/language.h\"\n"
    print "const struct language_message language_" language "[] = {"
}
function fail(why) {
    print language ".po: " why >"/dev/stderr"
    failed = 1
    exit 1
}
function flush_entry() {
    # The entry without an id is the header.
    if (id != "" && id != "\"\"") {
        print "    {" id ",\n     " one ",\n     " (many == "" ? "NULL" : many) "},"
        count++
    }
    id = one = many = at = ""
}
/^#/ { next }
/^[ \t]*$/ { flush_entry(); next }
/^msgctxt / { fail("contexts are not supported") }
/^msgid_plural / { at = "plural"; next }
/^msgid / { flush_entry(); at = "id"; id = substr($0, 7); next }
/^msgstr / { at = "one"; one = substr($0, 8); next }
/^msgstr\[0\] / { at = "one"; one = substr($0, 11); next }
/^msgstr\[1\] / { at = "many"; many = substr($0, 11); next }
/^msgstr\[/ { fail("more than two plural forms") }
/^"/ {
    if (at == "id") id = id "\n     " $0
    else if (at == "one") one = one "\n     " $0
    else if (at == "many") many = many "\n     " $0
    next
}
{ fail("cannot read: " $0) }
END {
    if (failed) exit 1
    flush_entry()
    if (count == 0) fail("no message")
    print "};\nconst size_t language_" language "_count = " count ";"
}
