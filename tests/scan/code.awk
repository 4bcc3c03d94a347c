# SPDX-License-Identifier: Apache-2.0
# Prints each line of C as "file:line:code", with comments, texts and characters taken out.
FNR == 1 { inside = 0 }
{
    line = $0
    code = ""
    while (line != "") {
        if (inside) {
            at = index(line, "*/")
            if (at == 0)
                break
            line = substr(line, at + 2)
            inside = 0
            continue
        }
        if (substr(line, 1, 2) == "//")
            break
        if (substr(line, 1, 2) == "/*") {
            inside = 1
            line = substr(line, 3)
            continue
        }
        first = substr(line, 1, 1)
        if (first == "\"" || first == "'") {
            line = substr(line, 2)
            while (line != "" && substr(line, 1, 1) != first)
                line = substr(line, substr(line, 1, 1) == "\\" ? 3 : 2)
            line = substr(line, 2)
            code = code first first
            continue
        }
        code = code first
        line = substr(line, 2)
    }
    print FILENAME ":" FNR ":" code
}
