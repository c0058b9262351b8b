from kith.runtime.process import main
from service_desk.service import SERVICE

main(SERVICE)
