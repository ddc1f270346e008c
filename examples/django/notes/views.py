from django.db import OperationalError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from notes.models import Note


@require_http_methods(["GET", "HEAD", "POST"])
def page(request):
    """Show the notes; keep the one that was sent."""
    try:
        if request.method == "POST":
            Note.objects.create(text=request.POST.get("text", "")[:200])
            return redirect("/")
        notes = list(Note.objects.all()[:50])
    except OperationalError:
        return render(request, "notes/page.html", {"is_empty": True}, status=200)
    return render(request, "notes/page.html", {"notes": notes})


@require_safe
def health(request):
    return HttpResponse("ok\n", content_type="text/plain")
