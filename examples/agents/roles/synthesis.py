"""Functions without a model: found by examples, or by the words of a description.

The candidates are a catalogue of small functions. Those whose words occur in the description go first; with examples the first
that satisfies all of them is the answer, so what comes back is not only well worded but right for what was shown. Without
examples the best of the words is taken. Deterministic: the same request gives the same code.
"""
import re

# name, parameters, words that ask for it, body, one example of its own
CATALOGUE = (
    ("add", "a, b", "add plus sum two numbers", "return a + b", ((2, 3), 5)),
    ("subtract", "a, b", "subtract minus difference", "return a - b", ((5, 3), 2)),
    ("multiply", "a, b", "multiply times product two numbers", "return a * b", ((4, 3), 12)),
    ("divide", "a, b", "divide quotient ratio", "return a / b", ((9, 2), 4.5)),
    ("power", "a, b", "power exponent raise", "return a ** b", ((2, 10), 1024)),
    ("remainder", "a, b", "remainder modulo", "return a % b", ((9, 4), 1)),
    ("larger", "a, b", "larger greater maximum of two", "return a if a >= b else b", ((2, 7), 7)),
    ("smaller", "a, b", "smaller lesser minimum of two", "return a if a <= b else b", ((2, 7), 2)),
    ("gcd", "a, b", "gcd greatest common divisor", "while b:\n    a, b = b, a % b\nreturn abs(a)", ((12, 18), 6)),
    ("lcm", "a, b", "lcm least common multiple",
     "x, y = a, b\nwhile y:\n    x, y = y, x % y\nreturn abs(a * b) // abs(x) if x else 0", ((4, 6), 12)),
    ("square", "n", "square squared", "return n * n", ((7,), 49)),
    ("double", "n", "double twice", "return 2 * n", ((7,), 14)),
    ("absolute", "n", "absolute magnitude", "return n if n >= 0 else -n", ((-3,), 3)),
    ("is_even", "n", "even", "return n % 2 == 0", ((4,), True)),
    ("is_odd", "n", "odd", "return n % 2 == 1", ((4,), False)),
    ("factorial", "n", "factorial", "result = 1\nfor i in range(2, n + 1):\n    result *= i\nreturn result", ((5,), 120)),
    ("fibonacci", "n", "fibonacci", "a, b = 0, 1\nfor _ in range(n):\n    a, b = b, a + b\nreturn a", ((10,), 55)),
    ("is_prime", "n", "prime", "if n < 2:\n    return False\ni = 2\nwhile i * i <= n:\n    if n % i == 0:\n        return False\n"
     "    i += 1\nreturn True", ((97,), True)),
    ("digit_sum", "n", "sum of digits digit", "return sum(int(d) for d in str(abs(n)))", ((1234,), 10)),
    ("to_binary", "n", "binary", "return bin(n)[2:]", ((10,), "1010")),
    ("reverse", "text", "reverse backwards text string list", "return text[::-1]", (("abc",), "cba")),
    ("is_palindrome", "text", "palindrome", "letters = [c.lower() for c in text if c.isalnum()]\nreturn letters == letters[::-1]",
     (("A man, a plan, a canal: Panama",), True)),
    ("count_words", "text", "count words number of words", "return len(text.split())", (("to be or",), 3)),
    ("count_vowels", "text", "count vowels", "return sum(c in \"aeiouAEIOU\" for c in text)", (("Hello",), 2)),
    ("capitalize_words", "text", "capitalize title case words", "return \" \".join(w[:1].upper() + w[1:] for w in text.split())",
     (("ab cd",), "Ab Cd")),
    ("upper", "text", "upper uppercase", "return text.upper()", (("ab",), "AB")),
    ("lower", "text", "lower lowercase", "return text.lower()", (("AB",), "ab")),
    ("slug", "text", "slug url slugify", "words = \"\".join(c.lower() if c.isalnum() else \" \" for c in text).split()\nreturn \"-\".join(words)",
     (("Hello, World!",), "hello-world")),
    ("strip", "text", "strip trim whitespace", "return text.strip()", (("  a ",), "a")),
    ("word_frequency", "text", "word frequency frequencies occurrences histogram", "counts = {}\nfor word in text.lower().split():\n"
     "    counts[word] = counts.get(word, 0) + 1\nreturn counts", (("a b a",), {"a": 2, "b": 1})),
    ("is_anagram", "a, b", "anagram", "return sorted(a.lower()) == sorted(b.lower())", (("listen", "Silent"), True)),
    ("length", "items", "length size how many", "return len(items)", (([1, 2],), 2)),
    ("total", "items", "sum total of list numbers", "return sum(items)", (([1, 2, 3],), 6)),
    ("product", "items", "product of list", "result = 1\nfor x in items:\n    result *= x\nreturn result", (([2, 3, 4],), 24)),
    ("average", "items", "average mean", "return sum(items) / len(items)", (([1, 2, 3, 4],), 2.5)),
    ("median", "items", "median", "s = sorted(items)\nmiddle = len(s) // 2\nreturn s[middle] if len(s) % 2 else (s[middle - 1] + s[middle]) / 2",
     (([3, 1, 2, 10],), 2.5)),
    ("largest", "items", "largest maximum max biggest of list", "return max(items)", (([3, 9, 2],), 9)),
    ("smallest", "items", "smallest minimum min of list", "return min(items)", (([3, 9, 2],), 2)),
    ("spread", "items", "range spread difference largest smallest", "return max(items) - min(items)", (([3, 9, 2],), 7)),
    ("second_largest", "items", "second largest", "return sorted(set(items))[-2]", (([3, 9, 9, 2],), 3)),
    ("sort", "items", "sort ascending order", "return sorted(items)", (([3, 1, 2],), [1, 2, 3])),
    ("sort_descending", "items", "sort descending", "return sorted(items, reverse=True)", (([3, 1, 2],), [3, 2, 1])),
    ("unique", "items", "unique distinct duplicates remove dedupe", "return list(dict.fromkeys(items))", (([1, 2, 1],), [1, 2])),
    ("first", "items", "first element", "return items[0]", (([4, 5],), 4)),
    ("last", "items", "last element", "return items[-1]", (([4, 5],), 5)),
    ("evens", "items", "even numbers filter list", "return [x for x in items if x % 2 == 0]", (([1, 2, 4],), [2, 4])),
    ("odds", "items", "odd numbers filter list", "return [x for x in items if x % 2]", (([1, 2, 3],), [1, 3])),
    ("squares", "items", "squares of list each", "return [x * x for x in items]", (([1, 2, 3],), [1, 4, 9])),
    ("doubles", "items", "double each of list", "return [2 * x for x in items]", (([1, 2, 3],), [2, 4, 6])),
    ("flatten", "items", "flatten nested lists", "return [x for inner in items for x in inner]", (([[1], [2, 3]],), [1, 2, 3])),
    ("running_total", "items", "running cumulative total", "out, so_far = [], 0\nfor x in items:\n    so_far += x\n    out.append(so_far)\nreturn out",
     (([1, 2, 3],), [1, 3, 6])),
    ("chunks", "items, size", "chunks batches split of size", "return [items[i:i + size] for i in range(0, len(items), size)]",
     (([1, 2, 3], 2), [[1, 2], [3]])),
    ("contains", "items, x", "contains member search", "return x in items", (([1, 2], 2), True)),
    ("index_of", "items, x", "index position find binary search", "for i, item in enumerate(items):\n    if item == x:\n        return i\nreturn -1",
     (([4, 5], 5), 1)),
    ("merge_dicts", "a, b", "merge dictionaries dicts", "return {**a, **b}", (({"x": 1}, {"y": 2}), {"x": 1, "y": 2})),
    ("invert", "mapping", "invert swap keys values", "return {v: k for k, v in mapping.items()}", (({"a": "b"},), {"b": "a"})),
)


def stem(word):
    """"reverses", "reversed", "reversing" and "reverse" alike."""
    return re.sub(r"(?<=..)(?:ing|ed|es|s|e)$", "", word)


def words_of(text):
    return {stem(w) for w in re.findall(r"[a-z]+", text.lower().replace("_", " "))}


# Of these none tells what is wanted, or only a little.
EMPTY = words_of("""a an the of to in for from with and or that which this it its is are be by on as at if whether when then
    write implement create make build me please python function method code def return returns give gives given get take takes
    taking compute calculate find finds tell tells determine check checks test tests true false value values one all any simple small""")
COMMON = words_of("of to two list text string number each element item array integer word character argument input output result")


def score(entry, words):
    """How well the description's words ask for it: the part of its own that are there, its name twice."""
    name, asks = words_of(entry[0]), words_of(entry[2])
    strong = (len(asks & words - COMMON) + 2 * (name <= words)) / (len(asks - COMMON) + 2)
    return strong + len(asks & words & COMMON) / 100 if strong else 0.0


def explains(entry, words):
    """Whether next to nothing of the description is left over: "sum of squares" is neither a sum nor squares."""
    content = words - EMPTY - COMMON
    left = content - words_of(entry[0]) - words_of(entry[2])
    return len(left) * 3 <= len(content)


def source(entry, name, parameters, description):
    body = entry[3]
    for old, new in zip(_names(entry[1]), parameters):
        body = re.sub(rf"(?<![\w.\"']){re.escape(old)}(?![\w\"'])", new, body)
    doc = re.sub(r"\s+", " ", description).strip().replace("\\", "\\\\").replace('"""', "'''")
    head = f"def {name}({', '.join(parameters)}):\n"
    doc = f'    """{doc[:100]}"""\n' if doc and not doc.endswith('"') else ""
    return head + doc + "".join(f"    {line}\n" for line in body.split("\n"))


def _names(parameters):
    return [p.strip() for p in parameters.split(",")]


def parameters_for(entry, wanted):
    """The request's own names where they fit, else the catalogue's."""
    own = _names(entry[1])
    return wanted if wanted and len(wanted) == len(own) else own


def _holds(entry, examples):
    """Whether the catalogue's function does what the examples show. It runs here: the catalogue is ours."""
    scope = {}
    exec(source(entry, "candidate", _names(entry[1]), ""), scope)  # no text of a request is in it
    for args, result in examples:
        try:
            got = scope["candidate"](*args)
        except Exception:
            return False
        if got != result or isinstance(got, bool) != isinstance(result, bool):
            return False
    return True


def cheap(examples):
    """Numbers so small that no candidate takes long with them."""
    def small(x):
        if isinstance(x, (int, float)):
            return abs(x) <= 10 ** 4
        return all(small(y) for y in (x.values() if isinstance(x, dict) else x)) if isinstance(x, (list, dict)) else True
    return all(small(a) for args, _ in examples for a in args)


def find(description, parameters, examples):
    """The entry, or None."""
    words = words_of(description)
    ranked = sorted(CATALOGUE, key=lambda entry: -score(entry, words))  # stable: of equals the first
    arity = len(examples[0][0]) if examples else len(parameters) if parameters else None
    fitting = [e for e in ranked if arity is None or len(_names(e[1])) == arity]
    if examples:
        return next((e for e in fitting if _holds(e, examples)), None)
    best = fitting[0] if fitting else None
    return best if best and score(best, words) > 0.15 and explains(best, words) else None
